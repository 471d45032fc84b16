package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

type importCommand struct {
	database
	Kind     string            `arg:"" help:"customers, purchases, events, points, assignments or suppressions." enum:"customers,purchases,events,points,assignments,suppressions"`
	File     string            `arg:"" help:"CSV or NDJSON, gzip too; - reads standard input."`
	Map      map[string]string `help:"File column = our field; - leaves a column out. Columns that are neither named here nor known are then left out and listed." placeholder:"COLUMN=FIELD" mapsep:","`
	Format   string            `help:"csv or ndjson; from the file's name if left out." enum:",csv,ndjson" default:""`
	Campaign string            `help:"assignments: the imported campaign they belong to." placeholder:"ID"`
	DryRun   bool              `help:"Check every row and write nothing."`
	JSON     bool              `help:"Print the result as JSON."`
	URL      string            `help:"A running service to send the file to, instead of opening the database." env:"BECKON_URL" placeholder:"URL"`
	Key      string            `help:"API key for --url." env:"BECKON_KEY" placeholder:"KEY"`
}

// Run brings a file in: through a running service when there is a URL, else straight into the database.
func (c *importCommand) Run(ctx context.Context, o *output) error {
	file, size, err := c.openFile()
	if err != nil {
		return err
	}
	defer file.Close()
	counted := &countingReader{from: file}
	var result campaigns.Import
	if c.URL != "" {
		result, err = c.throughService(ctx, o, counted, size)
	} else {
		result, err = c.intoDatabase(ctx, o, counted, size)
	}
	if err != nil {
		return err
	}
	return c.print(o, &result)
}

func (c *importCommand) openFile() (io.ReadCloser, int64, error) {
	if c.File == "-" {
		return io.NopCloser(os.Stdin), 0, nil
	}
	file, err := os.Open(c.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, fmt.Errorf("there is no file %s", c.File)
	case errors.Is(err, fs.ErrPermission):
		return nil, 0, fmt.Errorf("the file %s may not be read by this user", c.File)
	case err != nil:
		return nil, 0, err
	}
	stat, err := file.Stat()
	if err == nil && stat.IsDir() {
		err = fmt.Errorf("%s is a folder, not a file", c.File)
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, stat.Size(), nil
}

func (c *importCommand) format() string {
	name := strings.TrimSuffix(strings.ToLower(c.File), ".gz")
	if c.Format == "" && (strings.HasSuffix(name, ".ndjson") || strings.HasSuffix(name, ".jsonl")) {
		return "ndjson"
	}
	if c.Format == "" {
		return "csv"
	}
	return c.Format
}

func (c *importCommand) intoDatabase(ctx context.Context, o *output, body *countingReader, size int64) (campaigns.Import, error) {
	options := campaigns.ImportOptions{Kind: c.Kind, Format: c.format(), Map: c.Map, DryRun: c.DryRun}
	if c.Campaign != "" {
		id, err := campaigns.ParseID("campaign", c.Campaign)
		if err != nil {
			return campaigns.Import{}, err
		}
		options.CampaignID = &id
	}
	opening, err := c.open(ctx, o, time.Now)
	if err != nil {
		return campaigns.Import{}, err
	}
	defer opening.close(o)
	id := campaigns.NewID(opening.store.Now())
	result, err := engine.Import(ctx, opening.store, id, options, body, func(i campaigns.Import) { progress(o, &i, body, size) })
	if err != nil {
		return result, err
	}
	err = opening.store.View(ctx, func(tx *store.Tx) (err error) {
		result.Rejected, err = tx.Rejects(ctx, id, 0, 1000)
		return err
	})
	return result, err
}

func progress(o *output, i *campaigns.Import, body *countingReader, size int64) {
	read := ""
	if size > 0 && i.Phase == "reading" {
		read = fmt.Sprintf(" (%d %% of the file)", body.n.Load()*100/size)
	}
	o.say("%s: %d rows read%s, %d written, %d unchanged, %d rejected", i.Phase, i.RowsRead, read, i.RowsWritten, i.RowsUnchanged, i.RowsRejected)
}

func (c *importCommand) throughService(ctx context.Context, o *output, body *countingReader, size int64) (campaigns.Import, error) {
	query := url.Values{"kind": {c.Kind}}
	for from, to := range c.Map {
		query.Add("map", from+":"+to)
	}
	if maps := query["map"]; len(maps) > 0 {
		query.Set("map", strings.Join(maps, ","))
	}
	if c.DryRun {
		query.Set("dry_run", "true")
	}
	if c.Campaign != "" {
		query.Set("campaign_id", c.Campaign)
	}
	kind := "text/csv"
	if c.format() == "ndjson" {
		kind = "application/x-ndjson"
	}
	var started campaigns.Import
	if err := c.call(ctx, http.MethodPost, "/v1/imports?"+query.Encode(), kind, body, &started); err != nil {
		return started, err
	}
	id := started.ID.String()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		var now campaigns.Import
		if err := c.call(ctx, http.MethodGet, "/v1/imports/"+id, "", nil, &now); err != nil {
			return now, err
		}
		if now.Status != "running" {
			return now, nil
		}
		progress(o, &now, body, size)
		select {
		case <-ctx.Done():
			return now, fmt.Errorf("the import goes on in the service: look at %s/v1/imports/%s", c.URL, id)
		case <-ticker.C:
		}
	}
}

// call asks the service and turns its problems into errors.
func (c *importCommand) call(ctx context.Context, method, path, kind string, body io.Reader, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.URL, "/")+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.Key)
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("the service at %s does not answer: %w", c.URL, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("reading the service's answer: %w", err)
	}
	if response.StatusCode >= 400 {
		var problem struct {
			Title, Detail string
			Errors        []struct{ Field, Message string }
		}
		_ = json.Unmarshal(text, &problem) // whatever it is, the status is told
		message := fmt.Sprintf("the service answered %d: %s", response.StatusCode, problem.Detail)
		if len(problem.Errors) > 1 { // the detail is the first of them
			for _, e := range problem.Errors {
				message += "\n  " + e.Field + ": " + e.Message
			}
		}
		return errors.New(message)
	}
	return json.Unmarshal(text, answer)
}

// print tells the result; an import that failed is an error of the command too.
func (c *importCommand) print(o *output, i *campaigns.Import) error {
	if c.JSON {
		encoder := json.NewEncoder(o.out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(i); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(o.out, "%d rows read, %d written, %d unchanged, %d rejected\n", i.RowsRead, i.RowsWritten, i.RowsUnchanged, i.RowsRejected)
		if len(i.IgnoredColumns) > 0 {
			fmt.Fprintf(o.out, "left out: the columns %s\n", strings.Join(i.IgnoredColumns, ", "))
		}
		for n, reject := range i.Rejected {
			if n == 20 {
				fmt.Fprintf(o.out, "  … and more: %d rows in all\n", i.RowsRejected)
				break
			}
			fmt.Fprintf(o.out, "  row %d, %s: %s\n", reject.Row, reject.Field, reject.Message)
		}
	}
	if i.Status == "failed" {
		return fmt.Errorf("the import failed: %s", i.Error)
	}
	return nil
}

// countingReader counts what was read, for the progress.
type countingReader struct {
	from io.Reader
	n    atomic.Int64
}

// Read reads from beneath and counts.
func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.n.Add(int64(n))
	return n, err
}
