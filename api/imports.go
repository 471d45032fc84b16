package api

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// importRequest is a file that is streamed in.
type importRequest struct {
	Kind       string `query:"kind" required:"true" enum:"customers,purchases,events,points,assignments,suppressions"`
	Map        string `query:"map" maxLength:"10000" example:"user_id:customer_id,memo:-" doc:"file column:field, separated by commas; - leaves a column out"`
	DryRun     bool   `query:"dry_run" doc:"check everything and write nothing"`
	CampaignID string `query:"campaign_id" doc:"assignments: the campaign they belong to"`
	body       *upload
	kind       string
}

// Resolve takes the body as a stream.
func (in *importRequest) Resolve(ctx huma.Context) []error {
	in.body = &upload{body: ctx.BodyReader()}
	in.kind, _, _ = mime.ParseMediaType(ctx.Header("Content-Type"))
	return nil
}

type acceptedImport struct {
	ID       campaigns.ID `json:"id"`
	Status   string       `json:"status" enum:"running,done,failed"`
	RowsRead int64        `json:"rows_read"`
	Rejected int64        `json:"rows_rejected" doc:"so far: rows that cannot be read; merging may reject more"`
}

// importedFiles documents the body of an import.
func importedFiles(op *huma.Operation) {
	file := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	op.RequestBody = &huma.RequestBody{Required: true, Description: "CSV with a header, or a JSON object a line; gzip is recognised",
		Content: map[string]*huma.MediaType{"text/csv": file, "application/x-ndjson": file}}
}

// createImport reads and checks the file while it comes in, answers, and writes it behind the answer.
func (s *Server) createImport(ctx context.Context, in *importRequest) (*some[acceptedImport], error) {
	options, err := in.options()
	if err != nil {
		return nil, err
	}
	staged, err := engine.StageImport(ctx, s.store, campaigns.NewID(s.store.Now()), options, in.body, nil)
	if err != nil {
		return nil, in.body.blame(err)
	}
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		return tx.Audit(ctx, actor(ctx), "create", "import", staged.ID.String(), nil, options)
	})
	s.behind(ctx, "merging an import", func(ctx context.Context) error {
		_, err := engine.MergeImport(ctx, s.store, staged.ID, nil)
		return err
	})
	return &some[acceptedImport]{acceptedImport{staged.ID, staged.Status, staged.RowsRead, staged.RowsRejected}}, err
}

func (in *importRequest) options() (campaigns.ImportOptions, error) {
	o := campaigns.ImportOptions{Kind: in.Kind, DryRun: in.DryRun}
	switch in.kind {
	case "text/csv", "":
		o.Format = "csv"
	case "application/x-ndjson", "application/ndjson", "application/jsonl":
		o.Format = "ndjson"
	default:
		return o, newProblem(http.StatusUnsupportedMediaType, "malformed", "a file is text/csv or application/x-ndjson").
			with("Content-Type", "should be text/csv or application/x-ndjson")
	}
	if in.CampaignID != "" {
		id, err := campaigns.ParseID("campaign", in.CampaignID)
		if err != nil {
			return o, err
		}
		o.CampaignID = &id
	}
	if in.Map == "" {
		return o, nil
	}
	o.Map = map[string]string{}
	for pair := range strings.SplitSeq(in.Map, ",") {
		column, field, ok := strings.Cut(pair, ":")
		if !ok {
			column, field, ok = strings.Cut(pair, "=") // as the command line writes it
		}
		if column, field = strings.TrimSpace(column), strings.TrimSpace(field); !ok || column == "" || field == "" {
			return o, campaigns.Invalid("map", "%q should read column:field", pair)
		}
		o.Map[column] = field
	}
	return o, nil
}

// behind does work that outlives its request and ends with the server.
func (s *Server) behind(ctx context.Context, what string, work func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		select {
		case <-s.closing:
		case <-done:
		}
		cancel()
	}()
	s.background.Go(func() {
		defer close(done)
		if err := work(ctx); err != nil && campaigns.CodeOf(err) == "" {
			s.log.ErrorContext(ctx, what, "request_id", requestID(ctx), "err", err)
		}
	})
}

func (s *Server) listImports(ctx context.Context, in *struct{ Listing }) (*listOf[campaigns.Import], error) {
	before, err := in.beforeID()
	if err != nil {
		return nil, err
	}
	var found []campaigns.Import
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Imports(ctx, before, in.more())
		return err
	})
	return pageOf(in.Listing, found, func(i campaigns.Import) string { return i.ID.String() }), err
}

func (s *Server) readImport(ctx context.Context, in *byID) (*some[campaigns.Import], error) {
	id, err := campaigns.ParseID("import", in.ID)
	if err != nil {
		return nil, err
	}
	out := &some[campaigns.Import]{}
	return out, s.store.View(ctx, func(tx *store.Tx) (err error) {
		out.Body, err = tx.Import(ctx, id)
		return err
	})
}

// csvFile is an answer that is written as it is read.
type csvFile struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        func(huma.Context)
}

// rejectsPage is how many rejected rows are read at once; more than one row has fields.
const rejectsPage = 2000

func (s *Server) rejectedRows(ctx context.Context, in *byID) (*csvFile, error) {
	id, err := campaigns.ParseID("import", in.ID)
	if err != nil {
		return nil, err
	}
	first, err := s.rejects(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	return &csvFile{"text/csv; charset=utf-8", `attachment; filename="rejected.csv"`, func(hc huma.Context) {
		out := csv.NewWriter(hc.BodyWriter())
		_ = out.Write([]string{"row", "field", "message"}) // Flush's error is that of all writes
		for rows, err := first, error(nil); len(rows) > 0 && err == nil && out.Error() == nil; rows, err = s.rejects(ctx, id, rows[len(rows)-1].Row) {
			for _, r := range rows {
				_ = out.Write([]string{strconv.FormatInt(r.Row, 10), harmless(r.Field), harmless(r.Message)})
			}
			out.Flush()
		}
		out.Flush()
	}}, nil
}

// rejects are the next rejected rows, each with all its fields.
func (s *Server) rejects(ctx context.Context, id campaigns.ID, after int64) ([]campaigns.Reject, error) {
	var rows []campaigns.Reject
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		if _, err = tx.Import(ctx, id); err != nil {
			return err
		}
		rows, err = tx.Rejects(ctx, id, after, rejectsPage)
		return err
	})
	for n := len(rows); len(rows) == rejectsPage && n > 0; n-- {
		if rows[n-1].Row != rows[len(rows)-1].Row {
			rows = rows[:n]
		}
	}
	return rows, err
}

// brokenFile recognises what a broken gzip makes of itself.
func brokenFile(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt)
}

// isGzip knows gzip by its first bytes.
func isGzip(start []byte) bool { return bytes.HasPrefix(start, []byte{0x1f, 0x8b}) }

// endedEarly is a file that stops in the middle.
func endedEarly(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }
