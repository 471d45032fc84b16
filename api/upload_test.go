package api

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// a line is a connection that notes when it is cut, and a body that nobody sends.
type line struct {
	*httptest.ResponseRecorder
	cut  chan struct{}
	once sync.Once
}

func (l *line) SetReadDeadline(time.Time) error {
	l.once.Do(func() { close(l.cut) })
	return nil
}

func (l *line) Read([]byte) (int, error) {
	<-l.cut
	return 0, errors.New("i/o timeout")
}

func (l *line) Close() error { return nil }

func TestAClientThatStopsSendingIsCutOffWhileItIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{ResponseRecorder: httptest.NewRecorder(), cut: make(chan struct{})}
		started := time.Now()
		if _, err := newPatient(l, l).Read(nil); err == nil || time.Since(started) != uploadIdle {
			t.Errorf("%v after %v", err, time.Since(started))
		}
	})
}

func TestAnUploadThatNobodyReadsOnCutsNobodyOffLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, read := range []bool{false, true} {
			l := &line{ResponseRecorder: httptest.NewRecorder(), cut: make(chan struct{})}
			body := newPatient(io.NopCloser(strings.NewReader("id\nu1\n")), l)
			if read {
				if _, err := body.Read(make([]byte, 2)); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(2 * uploadIdle)
			synctest.Wait()
			select {
			case <-l.cut:
				t.Errorf("the connection was cut long after the request (read: %v)", read)
			default:
			}
		}
	})
}
