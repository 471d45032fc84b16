package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"beckon/api"
)

// contract is the served OpenAPI document, read by somebody else's reader.
type contract struct{ router routers.Router }

// served is the document, read once: it is the same over every database.
var served struct {
	sync.Once
	contract contract
	err      error
}

func readContract(server *api.Server) (*contract, error) {
	served.Do(func() {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
		document, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
		if err != nil {
			served.err = fmt.Errorf("the OpenAPI document cannot be read: %w", err)
			return
		}
		if err := document.Validate(context.Background()); err != nil {
			served.err = fmt.Errorf("the OpenAPI document is not valid: %w", err)
			return
		}
		served.contract.router, served.err = gorillamux.NewRouter(document)
	})
	return &served.contract, served.err
}

// check holds an answer against the document.
func (c *contract) check(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		return // an address that does not exist, or one beside the document
	}
	options := &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	if kind := w.Header().Get("Content-Type"); strings.HasPrefix(kind, "text/") || strings.HasPrefix(kind, "image/") {
		options.ExcludeResponseBody = true
	}
	err = openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: options},
		Status:                 w.Code, Header: w.Header(), Body: io.NopCloser(bytes.NewReader(w.Body.Bytes())), Options: options})
	if err != nil {
		t.Errorf("%s %s answered %d, which the OpenAPI document does not describe: %v\n%s", r.Method, r.URL.Path, w.Code, err, w.Body)
	}
}
