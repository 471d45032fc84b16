package api

import (
	"encoding/base64"
	"io"
	"strconv"
	"time"

	"beckon/campaigns"
)

// Listing is what every list is asked with.
type Listing struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" doc:"the most items of one answer: 100 if left out, and of CSV all"`
	Cursor string `query:"cursor" maxLength:"1000" doc:"next of the answer before; from the beginning when it is left out"`
	Format string `query:"format" enum:"json,csv" doc:"csv is a table, as with Accept: text/csv"`
	Accept string `header:"Accept" hidden:"true"`
}

// pageSize is how many items an answer has that asks for no limit.
const pageSize = 100

// asked is what is asked for, to be narrowed.
func (l *Listing) asked() *Listing { return l }

// isWhole says whether all of it is asked for, as a table.
func (l Listing) isWhole() bool { return l.Limit == 0 && l.Accept == "text/csv" }

// size is how many items the answer has.
func (l Listing) size() int {
	if l.Limit == 0 {
		return pageSize
	}
	return l.Limit
}

// page is a stretch of a list, and where the next one begins.
type page[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"the cursor of what follows; left out at the end"`

	own   []string                  // columns of a table beside those of T, so that every page of it has the same
	whole func(out io.Writer) error // writes the whole list as CSV, where that was asked for; nil: this page
}

// listOf is the answer of a list. Its cursor goes into a header too, for readers of CSV.
type listOf[T any] struct {
	Next string `header:"X-Next-Cursor" doc:"next, for readers of CSV"`
	Body page[T]
}

// rows are what CSV shows of a page.
func (p page[T]) rows() any { return p.Items }

// ownColumns are the columns that a table has whatever stands in its rows.
func (p page[T]) ownColumns() []string { return p.own }

// table is what writes the whole list as CSV; nil where only the page is meant.
func (p page[T]) table() func(out io.Writer) error { return p.whole }

// more is how many items to ask the store for: one more than are shown tells whether there are more.
func (l Listing) more() int { return l.size() + 1 }

// pageOf cuts what the store gave for more() to a page; position says where an item stands.
func pageOf[T any](l Listing, items []T, position func(T) string) *listOf[T] {
	out := &listOf[T]{Body: page[T]{Items: items}}
	if size := l.size(); len(items) > size {
		out.Body.Items = items[:size]
		out.Body.Next = base64.RawURLEncoding.EncodeToString([]byte(position(items[size-1])))
	}
	if out.Body.Items == nil {
		out.Body.Items = []T{}
	}
	out.Next = out.Body.Next
	return out
}

// slice is a page of a list that the store gives as a whole, in the order of its positions.
func slice[T any](l Listing, items []T, position func(T) string) (*listOf[T], error) {
	after, err := l.after()
	if err != nil {
		return nil, err
	}
	for i := range items {
		if after != "" && position(items[i]) == after {
			items = items[i+1:]
			break
		}
	}
	return pageOf(l, items, position), nil
}

// after is the position that the cursor stands for, empty at the beginning.
func (l Listing) after() (string, error) {
	position, err := base64.RawURLEncoding.DecodeString(l.Cursor)
	if err != nil {
		return "", badCursor()
	}
	return string(position), nil
}

// afterNo is the cursor of a list of customers.
func (l Listing) afterNo() (int64, error) {
	position, err := l.after()
	if err != nil || position == "" {
		return 0, err
	}
	no, err := strconv.ParseInt(position, 10, 64)
	if err != nil {
		return 0, badCursor()
	}
	return no, nil
}

// beforeID is the cursor of a list from the newest.
func (l Listing) beforeID() (campaigns.ID, error) {
	position, err := l.after()
	if err != nil || position == "" {
		return campaigns.ID{}, err
	}
	id, err := campaigns.ParseID("position", position)
	if err != nil {
		return id, badCursor()
	}
	return id, nil
}

// beforeTime is the cursor of a list by time from the latest.
func (l Listing) beforeTime() (time.Time, error) {
	position, err := l.after()
	if err != nil || position == "" {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, position)
	if err != nil {
		return at, badCursor()
	}
	return at, nil
}

func badCursor() error {
	return campaigns.Invalid("cursor", "is not one that a list gave: use next of the answer before")
}
