package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/local"
	"beckon/engine"
	"beckon/engine/shop"
)

// demoCommand shows what Beckon does on a shop whose customers are simulated, so that the true lift of each campaign is
// known and can be compared with the measured one.
type demoCommand struct {
	Data      string `help:"Folder for the demo's own PostgreSQL; a temporary one, removed at the end, if left out." type:"path" placeholder:"DIR"`
	Exit      bool   `help:"End after the table instead of serving the API and the console."`
	JSON      bool   `name:"json" help:"Print the table as JSON."`
	Seed      uint64 `help:"Another seed is another shop." default:"1"`
	Customers int    `help:"How many customers the shop has." default:"20000"`
	Days      int    `help:"How many days the simulated clock runs through." default:"60"`
	Addr      string `help:"Address to serve on afterwards; ${default} if left out." default:"127.0.0.1:8080" env:"BECKON_ADDR" placeholder:"HOST:PORT"`
	Profile   string `help:"Write a CPU profile of the demo." hidden:"" placeholder:"FILE"`
}

// demoStart is when the simulated days begin, on the workspace's clocks.
const demoStart = "2026-09-01T08:00:00"

// Run plays the demo and then serves it.
func (d *demoCommand) Run(ctx context.Context, o *output) error {
	if d.Profile != "" {
		file, err := os.Create(d.Profile)
		if err != nil {
			return fmt.Errorf("writing the profile: %w", err)
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // the demo is short and its heap small
	if d.Exit {
		return d.run(ctx, o.out, o.log, nil)
	}
	listener, err := listen(ctx, d.Addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	return d.run(ctx, o.out, o.log, func(ctx context.Context, s *store.Store, server *local.Server) error {
		return d.serve(ctx, o, listener, s, server)
	})
}

// serve shows the shop as it goes on from the end of the simulated days.
func (d *demoCommand) serve(ctx context.Context, o *output, listener net.Listener, s *store.Store, server *local.Server) error {
	key, err := firstKey(ctx, s, "")
	if err != nil {
		return err
	}
	o.say("\nThe shop goes on at http://%s", listener.Addr())
	o.say("API key: %s", key)
	o.say("Console: http://%s/#key=%s", listener.Addr(), key)
	o.say("Ctrl-C ends it.")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var keeping sync.WaitGroup
	keeping.Go(func() { server.Keep(ctx, o.say) })
	defer keeping.Wait()
	defer cancel()
	return serveOn(ctx, listener, s, (&serveCommand{}).log(o), audienceBytes(0), false)
}

// run plays the demo, prints the table and, where serve is given, calls it with the clock going on in real time.
func (d *demoCommand) run(ctx context.Context, stdout, stderr io.Writer, serve func(context.Context, *store.Store, *local.Server) error) (err error) {
	say := func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) }
	play, err := d.newPlay(say)
	if err != nil {
		return err
	}
	data, remove, err := d.folder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	server, err := d.open(ctx, play, data)
	if server != nil {
		defer func() { err = errors.Join(err, server.Stop()) }()
	}
	if err != nil {
		return err
	}
	defer play.store.Close()
	table, err := play.all(ctx)
	if err != nil {
		return err
	}
	if err := table.print(stdout, d.JSON); err != nil || serve == nil {
		return err
	}
	play.clock.letRun()
	return serve(ctx, play.store, server)
}

// newPlay makes the shop; nothing is written yet.
func (d *demoCommand) newPlay(say func(format string, args ...any)) (*demoPlay, error) {
	workspace := campaigns.FreshWorkspace()
	workspace.Name, workspace.GlobalHoldout = "Demo", 0 // the table says why everybody got something or not, and has no column for it
	start, err := time.ParseInLocation("2006-01-02T15:04:05", demoStart, workspace.Location())
	if err != nil {
		return nil, err
	}
	simulated, err := shop.New(shop.Options{Seed: d.Seed, Customers: d.Customers, Start: start, Days: d.Days})
	if err != nil {
		return nil, err
	}
	return &demoPlay{say: say, seed: d.Seed, shop: simulated, clock: &demoClock{at: start}, workspace: workspace, dayCount: d.Days, started: time.Now()}, nil
}

// folder is where the database goes, and what removes it.
func (d *demoCommand) folder() (string, func() error, error) {
	if d.Data != "" {
		return d.Data, func() error { return nil }, nil
	}
	folder, err := os.MkdirTemp("", "beckon-demo-")
	if err == nil {
		err = os.Chmod(folder, 0o755) // PostgreSQL may run as another user and must reach what lies below
	}
	return folder, func() error { return os.RemoveAll(folder) }, err
}

// open starts the private PostgreSQL and refuses one that holds a shop already.
func (d *demoCommand) open(ctx context.Context, p *demoPlay, data string) (*local.Server, error) {
	began := time.Now()
	if err := local.Install(p.say); err != nil {
		return nil, err
	}
	p.say("starting a PostgreSQL of the demo's own in %s", data)
	server, err := local.Start(ctx, data, local.Options{Scratch: true})
	if err != nil {
		return nil, err
	}
	if p.store, err = store.Open(ctx, server.URL("postgres"), p.clock.Now, store.Options{Connections: 12}); err != nil {
		return server, err
	}
	if err = p.store.Prepare(ctx, p.workspace); err == nil {
		err = p.store.View(ctx, func(tx *store.Tx) error {
			_, customers, err := tx.CustomerSpan(ctx)
			if err == nil && customers > 0 {
				return fmt.Errorf("the folder %s holds a shop already (%s customers): look at it with beckon serve --data %s, or name an empty folder", data, grouped(customers), data)
			}
			return err
		})
	}
	if err != nil {
		p.store.Close()
		return server, err
	}
	p.engine = engine.New(p.store, engine.Options{BaseURL: "http://" + d.Addr})
	p.phase("PostgreSQL started", began, 0, "")
	return server, nil
}

// A demoClock is moved by the demo, and runs by itself from where it was left once the demo is over.
type demoClock struct {
	mu    sync.Mutex
	at    time.Time
	since time.Time // when it was let run; zero while it stands
}

// Now reads the clock.
func (c *demoClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		return c.at
	}
	return c.at.Add(time.Since(c.since))
}

func (c *demoClock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func (c *demoClock) letRun() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = time.Now()
}
