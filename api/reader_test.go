package api

import (
	"encoding/csv"
	"errors"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// full is a connection whose client takes nothing, until it is cut.
type full struct {
	*httptest.ResponseRecorder
	cut chan struct{}
}

func (f *full) SetWriteDeadline(time.Time) error {
	close(f.cut)
	return nil
}

func (f *full) Write([]byte) (int, error) {
	<-f.cut
	return 0, errors.New("i/o timeout")
}

func TestAClientThatStopsReadingATableIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &full{httptest.NewRecorder(), make(chan struct{})}
		started := time.Now()
		table := &listOf[struct{}]{}
		table.Body.whole = tableOf(t.Context(), &Server{}, nil, func(give func([]struct{}) error) error { return give(make([]struct{}, 10)) }).Body.whole
		if err := encodeCSV(f, &table.Body); err != nil || time.Since(started) != readerIdle {
			t.Errorf("%v after %v", err, time.Since(started))
		}
	})
}

func TestAClientThatReadsSlowlyGetsAllOfATable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		out := csv.NewWriter(newReader(w, readerIdle))
		for range 3 {
			_ = out.Write([]string{"a"})
			out.Flush()
			time.Sleep(readerIdle) // between writes the client is not waited for
		}
		if w.Body.String() != "a\na\na\n" || out.Error() != nil {
			t.Errorf("%q: %v", w.Body, out.Error())
		}
	})
}
