package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"beckon/api"
	"beckon/campaigns/store"
	"beckon/engine"
)

type serveCommand struct {
	database
	Addr     string `help:"Address to listen on; ${default} if left out." default:"127.0.0.1:8080" env:"BECKON_ADDR" placeholder:"HOST:PORT"`
	AdminKey string `help:"The first API key; without it one is made and printed once." env:"BECKON_ADMIN_KEY" placeholder:"KEY"`
	Memory   int64  `help:"MiB of memory that customers may take as columns, so that audiences are counted at once; a quarter of the machine's if left out, -1 for none." env:"BECKON_AUDIENCE_MEMORY" name:"audience-memory" placeholder:"MIB"`
	LogJSON  bool   `help:"Write the log as JSON." env:"BECKON_LOG_JSON"`
}

// Run serves until it is told to stop: the address is taken first, so that a second service fails before it touches the
// database.
func (c *serveCommand) Run(ctx context.Context, o *output) error {
	listener, err := listen(ctx, c.Addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	opening, err := c.open(ctx, o, time.Now)
	if err != nil {
		return err
	}
	defer opening.close(o)
	if err := engine.CheckClock(ctx, opening.store); err != nil {
		return err
	}
	made, err := firstKey(ctx, opening.store, c.AdminKey)
	if err != nil {
		return err
	}
	o.say("Beckon serves at http://%s", listener.Addr())
	if made != "" {
		o.say("The first API key, shown only now: %s", made)
		o.say("Open the console with it: http://%s/#key=%s", listener.Addr(), made)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var keeping sync.WaitGroup
	if opening.server != nil {
		keeping.Go(func() { opening.server.Keep(ctx, o.say) })
	}
	defer keeping.Wait()
	defer cancel()
	return serveOn(ctx, listener, opening.store, c.log(o), audienceBytes(c.Memory), true)
}

func (c *serveCommand) log(o *output) *slog.Logger {
	if c.LogJSON {
		return slog.New(slog.NewJSONHandler(o.log, nil))
	}
	return slog.New(slog.NewTextHandler(o.log, nil))
}

// listen takes an address, and says what to do when it is taken.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is taken by another program: stop that one, or choose another with --addr", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
	}
	return listener, nil
}

// serveOn runs engine and API until ctx ends. The stop is staged: nothing new is claimed and no request is taken, those
// in hand end within 10 s. Real says that the store's clock is the machine's.
func serveOn(ctx context.Context, listener net.Listener, s *store.Store, log *slog.Logger, audience int64, real bool) error {
	e := engine.New(s, engine.Options{BaseURL: "http://" + listener.Addr().String(), Log: log, AudienceBytes: audience, RealClock: real})
	if _, err := e.House(ctx); err != nil {
		return err
	}
	handler := api.New(s, e, api.Options{Log: log})
	server := handler.HTTP(listener.Addr().String())
	failed := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	})
	working, stop := context.WithCancel(ctx)
	defer stop()
	running.Go(func() { e.Run(working) })
	var err error
	select {
	case <-ctx.Done():
		log.Info("stopping: what is in hand is finished")
	case err = <-failed:
	}
	stop()
	ending, cancelEnding := context.WithTimeout(context.WithoutCancel(ctx), 8500*time.Millisecond)
	defer cancelEnding()
	closing, cancel := context.WithTimeout(ending, 7500*time.Millisecond)
	defer cancel()
	if shutdown := server.Shutdown(closing); shutdown != nil {
		err = errors.Join(err, fmt.Errorf("requests were still open and were cut off: %w", shutdown), server.Close())
	}
	handler.Close()
	if !within(ending, running.Wait) {
		return errors.Join(err, errors.New("work was still in hand and was cut off: messages whose outcome was not recorded become unknown"))
	}
	return errors.Join(err, e.Close(ending))
}

// within says whether something that takes its time ends before a context does.
func within(ctx context.Context, wait func()) bool {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		wait()
	}()
	select {
	case <-ended:
		return true
	case <-ctx.Done():
		return false
	}
}
