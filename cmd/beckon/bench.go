package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime/pprof"
	"time"

	"beckon/api"
	"beckon/campaigns/store"
	"beckon/engine"
	"beckon/engine/bench"
)

// benchCommand measures Beckon beside the plainest programs that do the same work, on a private PostgreSQL of its own.
type benchCommand struct {
	Name    string `arg:"" optional:"" enum:"import,send,redeem,audience,campaigns,triggers,all" default:"all" help:"What to measure: import, send, redeem, audience, campaigns, triggers or all."`
	JSON    bool   `name:"json" help:"Print one JSON object instead of the table."`
	Rows    int    `help:"Lines, messages, redemptions, customers or events of a round; each measure has its own number if left out."`
	Rounds  int    `help:"How often each side runs, in turns; 3 if left out, 5 for e-mail."`
	Profile string `placeholder:"FILE" help:"Write a CPU profile of the whole run."`
}

// Run measures and prints.
func (c *benchCommand) Run(ctx context.Context, o *output) (err error) {
	if c.Profile != "" {
		file, err := os.Create(c.Profile)
		if err != nil {
			return fmt.Errorf("writing the profile: %w", err)
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	report, err := bench.Run(ctx, c.Name, bench.Options{Clock: time.Now, Rows: c.Rows, Rounds: c.Rounds, Say: o.say, Serve: serveBench})
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(o.out).Encode(report)
	}
	return report.Print(o.out)
}

// serveBench is the service over a store, with no loops behind it.
func serveBench(s *store.Store) (http.Handler, func(), error) {
	e := engine.New(s, engine.Options{})
	server := api.New(s, e, api.Options{})
	end := func() {
		server.Close()
		_ = e.Close(context.Background()) // the database goes as well
	}
	return server, end, nil
}
