package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stopServer ends the fleet's PostgreSQL by a signal: SIGINT as pg_ctl's fast stop does, SIGQUIT as its immediate one, which
// is a crash.
func (f *fleet) stopServer(signal syscall.Signal) {
	f.Helper()
	content, err := os.ReadFile(filepath.Join(f.data, "postgres", "postmaster.pid"))
	if err != nil {
		f.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(content), "\n", 2)[0])
	if err != nil {
		f.Fatal(err)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		f.Fatal(err)
	}
	if err := f.server.Stop(); err != nil { // it waits for the end
		f.Fatal(err)
	}
}

// slowly is a provider whose answer takes a few milliseconds, so that sending lasts.
func slowly(string, int) mood { return mood{wait: 3 * time.Millisecond} }

func TestSendingGoesOnByItselfWhenPostgreSQLIsStartedAgain(t *testing.T) {
	t.Parallel() // most of it is waiting
	const customers = 6000
	f := newFleet(t, newSink(t, slowly))
	first := f.start()
	f.start()
	campaign := f.launch(first, customers, 3)
	for i, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		f.accepted(customers*(i+1)/4, time.Minute)
		f.stopServer(signal)
		f.startServer()
		if n := f.sink.count(); n >= customers {
			t.Fatalf("the %s came too late: %d messages had gone", signal, n)
		}
	}
	first.finish(campaign, 2*time.Minute)
	got := f.compare(first, campaign, customers)
	t.Logf("restarted twice with 2 nodes: sent %d, unknown %d of at most %d", len(got.sent), len(got.unknown), 2*2*windowMax)
	if len(got.unknown) > 2*2*windowMax || len(got.failed) > 0 {
		t.Errorf("unknown %d, failed %d", len(got.unknown), len(got.failed))
	}
}

func TestSendingGoesOnAfterPostgreSQLWasAwayForLongerThanALease(t *testing.T) {
	t.Parallel() // most of it is waiting
	const customers, away = 4000, 20 * time.Second
	f := newFleet(t, newSink(t, slowly))
	p := f.start()
	campaign := f.launch(p, customers, 3)
	f.accepted(customers/4, time.Minute)
	f.stopServer(syscall.SIGQUIT)
	<-time.After(away) // that is the outage
	at := f.sink.count()
	f.startServer()
	p.finish(campaign, 2*time.Minute)
	got := f.compare(p, campaign, customers)
	t.Logf("away for %s after %d messages: sent %d, unknown %d of at most %d", away, at, len(got.sent), len(got.unknown), windowMax)
	if at >= customers || len(got.unknown) > windowMax || len(got.failed) > 0 {
		t.Errorf("%d had gone at the end of the outage; unknown %d, failed %d", at, len(got.unknown), len(got.failed))
	}
}

// What cannot be recorded is not waited for: the rows stay marked, and whoever comes next finds them.
func TestANodeIsToldToStopWhilePostgreSQLIsAway(t *testing.T) {
	t.Parallel() // most of it is waiting
	const customers = 3000
	f := newFleet(t, newSink(t, slowly))
	first := f.start()
	campaign := f.launch(first, customers, 3)
	f.accepted(customers/4, time.Minute)
	f.stopServer(syscall.SIGQUIT)
	begun := time.Now()
	if err := first.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = first.wait(stopWithin) // it tells that outcomes could not be recorded
	took := time.Since(begun)
	f.forget(first)
	f.startServer()
	second := f.start()
	second.finish(campaign, 2*time.Minute)
	got := f.compare(second, campaign, customers)
	t.Logf("stopped in %s: sent %d, unknown %d of at most %d", took.Round(time.Millisecond), len(got.sent), len(got.unknown), windowMax)
	if len(got.unknown) > windowMax || len(got.failed) > 0 {
		t.Errorf("unknown %d, failed %d", len(got.unknown), len(got.failed))
	}
}
