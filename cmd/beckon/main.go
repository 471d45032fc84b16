// Package main is the beckon command: one file per subcommand, settings from flags and BECKON_* variables read here.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// commands are the subcommands; each has a file of its own.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Run the service: API, console and sending. Needs no configuration."`
	Demo    demoCommand    `cmd:"" help:"Show it on a simulated shop: three campaigns, sixty days, and the true lift beside the measured one."`
	Import  importCommand  `cmd:"" help:"Bring in customers, purchases, events, points, assignments or suppressed addresses from a file."`
	Migrate migrateCommand `cmd:"" help:"Bring the database's schema up to date and end."`
	Verify  verifyCommand  `cmd:"" help:"Work derived figures of customers and counts of messages out anew and mend those that differ."`
	Restore restoreCommand `cmd:"" help:"Say that the database was just restored from a backup: what was still to be sent waits until somebody resumes it."`
	Keys    keysCommand    `cmd:"" help:"Make an API key in the database of DATABASE_URL or --data."`
	Bench   benchCommand   `cmd:"" help:"Measure Beckon beside the plainest programs that do the same, on a PostgreSQL of its own."`
}

// run is main without the process: it parses the arguments, runs a subcommand and gives the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var chosen commands
	helped := false // --help is printed while the arguments are read, and kong goes on unless it may end the process
	parser, err := kong.New(&chosen, kong.Name("beckon"), kong.Writers(stdout, stderr),
		kong.Description("Beckon finds the customers who should get an offer, sends each a message exactly once, redeems the offer and measures what it caused."),
		kong.Exit(func(int) { helped = true }), kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(&output{stdout, stderr}))
	if err != nil {
		fmt.Fprintln(stderr, "beckon:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	if helped {
		return 0
	}
	if err != nil {
		var wrong *kong.ParseError
		fmt.Fprintln(stderr, "beckon:", err)
		if errors.As(err, &wrong) {
			fmt.Fprintln(stderr, "Type beckon --help for what there is.")
		}
		return 2
	}
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(stderr, "beckon:", err)
		return 1
	}
	return 0
}

// output is where a subcommand writes: results to out, what it is doing to log.
type output struct{ out, log io.Writer }

func (o *output) say(format string, args ...any) { fmt.Fprintf(o.log, format+"\n", args...) }
