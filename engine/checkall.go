package engine

import (
	"context"
	"errors"
	"iter"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/templates"
)

// A Check says what would become of a template for a whole audience, with nothing sent and nothing written.
type Check struct {
	Customers   int64             `json:"customers" doc:"who match the rule"`
	Rendered    int64             `json:"rendered"`
	FailedCount int64             `json:"failed_count" doc:"who would get no message; the sum with rendered is customers"`
	Failed      []CheckFailure    `json:"failed" nullable:"false" doc:"the first hundred; as CSV all of them"`
	ByLanguage  map[string]int64  `json:"by_language" doc:"those who were rendered, by the language of the words; parts stands for the template's first"`
	Cost        campaigns.Decimal `json:"cost,omitempty" doc:"of all messages in the workspace's currency, where the channel that was named has a price"`
	SMS         *CheckSMS         `json:"sms,omitempty"`
	TookMS      int64             `json:"took_ms"`

	faults []checkFault
}

// A CheckFailure is a customer who would get no message: they lack a variable, or something else is wrong.
type CheckFailure struct {
	CustomerID string `json:"customer_id" doc:"empty for somebody who was erased meanwhile"`
	Variable   string `json:"variable,omitempty" doc:"that they lack"`
	Message    string `json:"message"`
}

// CheckSMS says what the text messages of an audience would take.
type CheckSMS struct {
	Segments      map[string]int64  `json:"segments" doc:"messages by how many segments they take"`
	TotalSegments int64             `json:"total_segments"`
	UCS2          int64             `json:"ucs2" doc:"messages with characters that are not in the GSM alphabet"`
	Cost          campaigns.Decimal `json:"cost,omitempty" doc:"in the workspace's currency, of the channel that was named"`
}

// A checkFault is one thing that is wrong, and with whose message.
type checkFault struct {
	variable, message string
	customers         *roaring64.Bitmap
}

const (
	checkShown      = 100  // failures that an answer lists
	checkFaultsMax  = 1000 // different faults that are told apart
	checkWorkersMax = 8
)

// CheckTemplate renders a template for everybody who matches a rule. ctx ends it early.
func (e *Engine) CheckTemplate(ctx context.Context, t Trial, rule string) (*Check, error) {
	started := e.store.Now()
	links, err := e.previewLinks(ctx)
	if err != nil {
		return nil, err
	}
	var p *plan
	err = e.store.View(ctx, func(tx *store.Tx) (err error) {
		p, err = e.trialPlan(ctx, tx, t)
		return err
	})
	if err != nil {
		return nil, err
	}
	compiled, at, err := e.prepareRule(ctx, rule, p.at.Now, "")
	if err != nil {
		return nil, err
	}
	found, err := e.find(ctx, audience.Question{Conditions: []audience.Asked{{Rule: compiled, At: at}}, Members: true})
	if err != nil {
		return nil, err
	}
	sum, err := e.checkAll(ctx, p, links, found.Members)
	if err != nil {
		return nil, err
	}
	c, err := e.told(ctx, p, sum)
	if err != nil {
		return nil, err
	}
	c.TookMS = e.store.Now().Sub(started).Milliseconds()
	return c, nil
}

// checked is what became of some customers, by numbers.
type checked struct {
	rendered, ucs2 int64
	languages      map[string]int64
	segments       map[int]int64
	costMicros     int64
	faults         map[string]*checkFault
}

func newChecked() *checked {
	return &checked{languages: map[string]int64{}, segments: map[int]int64{}, faults: map[string]*checkFault{}}
}

// checkAll renders every way of every variant of a plan for some customers, on all cores: while one waits for PostgreSQL
// another renders.
func (e *Engine) checkAll(ctx context.Context, p *plan, links links, members *roaring64.Bitmap) (*checked, error) {
	next, stop := iter.Pull(func(yield func([]int64) bool) {
		_ = spans(members, func(nos []int64) error {
			if !yield(slices.Clone(nos)) {
				return errEnough
			}
			return nil
		})
	})
	defer stop()
	sum := newChecked()
	var handing, adding sync.Mutex
	var working sync.WaitGroup
	failed := make([]error, min(runtime.GOMAXPROCS(0), checkWorkersMax))
	for i := range failed {
		working.Go(func() {
			failed[i] = e.store.View(ctx, func(tx *store.Tx) error {
				b := p.showing(tx, links)
				mine := newChecked()
				defer func() { adding.Lock(); defer adding.Unlock(); sum.add(mine) }()
				for {
					handing.Lock()
					nos, more := next()
					handing.Unlock()
					if !more || ctx.Err() != nil {
						return ctx.Err()
					}
					b.people, b.gates = b.people[:0], map[campaigns.Gate][]int64{}
					if err := b.load(ctx, nos); err != nil {
						return err
					}
					mine.check(b)
				}
			})
		})
	}
	working.Wait()
	return sum, errors.Join(failed...)
}

// errEnough ends a walk that nobody goes on with.
var errEnough = errors.New("enough")

// check renders what a batch's people would get.
func (c *checked) check(b *batch) {
	for i := range b.people {
		for j := range b.variants {
			for k := range b.variants[j].ways {
				c.one(b, &b.people[i], &b.variants[j], &b.variants[j].ways[k])
			}
		}
	}
}

func (c *checked) one(b *batch, p *person, v *variant, w *way) {
	m, parts, err := b.show(p, v, w)
	if err != nil {
		c.fault(p.no, err)
		return
	}
	c.rendered++
	c.languages[m.Language]++
	segments := 0
	if sms := travels(w.kind, parts); sms != nil {
		segments = sms.Segments
		c.segments[segments]++
		if sms.Encoding == "ucs2" {
			c.ucs2++
		}
	}
	c.costMicros += w.cost.of(w.kind, segments)
}

// fault keeps what was wrong with somebody's message. Different faults without end are kept as one.
func (c *checked) fault(no int64, err error) {
	f := checkFault{message: plainly(err).Error()}
	if missing := (*templates.MissingError)(nil); errors.As(err, &missing) {
		f.variable = missing.Variable
	}
	if c.faults[f.message] == nil && len(c.faults) >= checkFaultsMax {
		f = checkFault{message: "something else is wrong: see a preview for this customer"}
	}
	if c.faults[f.message] == nil {
		f.customers = roaring64.New()
		c.faults[f.message] = &f
	}
	c.faults[f.message].customers.Add(uint64(no))
}

func (c *checked) add(other *checked) {
	c.rendered += other.rendered
	c.ucs2 += other.ucs2
	c.costMicros += other.costMicros
	for language, n := range other.languages {
		c.languages[language] += n
	}
	for segments, n := range other.segments {
		c.segments[segments] += n
	}
	for message, f := range other.faults {
		if c.faults[message] == nil {
			c.faults[message] = f
		} else {
			c.faults[message].customers.Or(f.customers)
		}
	}
}

// told is a check as it is answered.
func (e *Engine) told(ctx context.Context, p *plan, sum *checked) (*Check, error) {
	c := &Check{Rendered: sum.rendered, ByLanguage: map[string]int64{}, Failed: []CheckFailure{}}
	for language, n := range sum.languages {
		if language == "" {
			language = "parts"
		}
		c.ByLanguage[language] = n
	}
	w := &p.variants[0].ways[0]
	if c.Cost = sum.cost(w); w.kind == campaigns.SMS {
		c.SMS = sum.sms(w)
	}
	for _, message := range slices.Sorted(maps.Keys(sum.faults)) {
		c.faults = append(c.faults, *sum.faults[message])
		c.FailedCount += int64(sum.faults[message].customers.GetCardinality())
	}
	c.Customers = c.Rendered + c.FailedCount
	err := e.EachFailure(ctx, c, func(some []CheckFailure) error {
		if c.Failed = append(c.Failed, some...); len(c.Failed) >= checkShown {
			c.Failed = c.Failed[:checkShown]
			return errEnough
		}
		return nil
	})
	return c, err
}

// costDigits are the decimals in which costs are kept and told.
const costDigits = 6

func (c *checked) sms(w *way) *CheckSMS {
	s := &CheckSMS{Segments: map[string]int64{}, UCS2: c.ucs2}
	for segments, n := range c.segments {
		s.Segments[thousands(int64(segments))] = n
		s.TotalSegments += int64(segments) * n
	}
	s.Cost = c.cost(w)
	return s
}

// cost is what all messages would cost; empty where their channel has no price.
func (c *checked) cost(w *way) campaigns.Decimal {
	if w.cost == (tariff{}) {
		return ""
	}
	return campaigns.Decimal(campaigns.FormatMoney(c.costMicros, costDigits))
}

// EachFailure lists everybody whom a check found a fault with, fault by fault, some at a time.
func (e *Engine) EachFailure(ctx context.Context, c *Check, each func([]CheckFailure) error) error {
	err := e.store.View(ctx, func(tx *store.Tx) error {
		for _, f := range c.faults {
			err := spans(f.customers, func(nos []int64) error {
				ids, err := tx.CustomerIDs(ctx, nos)
				if err != nil {
					return err
				}
				some := make([]CheckFailure, len(nos))
				for i, no := range nos {
					some[i] = CheckFailure{CustomerID: ids[no], Variable: f.variable, Message: f.message}
				}
				return each(some)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
