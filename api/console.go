package api

import (
	"errors"
	"io/fs"
	"net/http"
	"path"

	"github.com/labstack/echo/v4"

	"beckon/api/console"
)

// consolePages puts the console's files at the root. They hold nothing that a key would protect: whatever a page shows it
// asks for with the reader's own key.
func (s *Server) consolePages() {
	for _, name := range []string{"/", "/console.css", "/console.js", "/icon.svg"} {
		s.echo.GET(name, s.consoleFile)
	}
}

func (s *Server) consoleFile(c echo.Context) error {
	files, err := console.Files()
	if err != nil {
		return err
	}
	name := path.Base(c.Path())
	if c.Path() == "/" {
		name = "index.html"
	}
	content, err := fs.ReadFile(files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return echo.ErrNotFound
	}
	if err != nil {
		return err
	}
	types := map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	c.Response().Header().Set("Content-Security-Policy", console.Policy)
	c.Response().Header().Set("Cache-Control", "no-cache")
	return c.Blob(http.StatusOK, types[path.Ext(name)], content)
}
