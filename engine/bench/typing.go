package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
)

const (
	typingMS       = 25
	typingRequests = 400
	typingShop     = "typing"
	warmTries      = 200
)

// typedRules grow by a digit at each keystroke.
func typedRules() []string {
	return []string{
		`tier in ["gold", "platinum"] && city == "Shanghai" && days_since(last_purchase_at) > 90 && total_spend >= %s`,
		`month(birthday) == month(today) && score > %s`,
		`count(purchases, .amount >= %s) >= 2`,
		`sum(filter(purchases, .store == "S7" && days_since(.at) <= 365), .amount) >= %s`,
		`skin_type == "dry" && any(purchases, days_since(.at) <= %s)`,
	}
}

// measureTyping counts through HTTP, one keystroke after another, over a million customers at most: in a shop of that size
// where this crowd is larger.
func (a *gathering) measureTyping(ctx context.Context) (rows []Row, err error) {
	if a.Serve == nil {
		a.note("nothing was measured through HTTP: no service was given")
		return nil, nil
	}
	shop := a
	if a.n > audienceFewRows {
		if shop, err = a.gather(ctx, typingShop, audienceFewRows); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, shop.close(ctx)) }()
	}
	key, secret := campaigns.NewKey("bench", []string{campaigns.ScopeMarketer}, shop.store.Now())
	if err := shop.store.Update(ctx, func(tx *store.Tx) error { return tx.CreateKey(ctx, &key) }); err != nil {
		return nil, err
	}
	handler, end, err := a.Serve(shop.store)
	if err != nil {
		return nil, err
	}
	defer end()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		closed := server.Close()
		if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
			err = errors.Join(err, failed)
		}
		err = errors.Join(err, closed)
	}()
	t := &typist{gathering: shop, url: "http://" + listener.Addr().String() + "/v1/rules/count", secret: secret}
	return t.measure(ctx)
}

// A typist asks for a count at each keystroke, over one connection.
type typist struct {
	*gathering
	url, secret string
}

func (t *typist) measure(ctx context.Context) ([]Row, error) {
	began := t.Clock()
	if err := t.warm(ctx); err != nil {
		return nil, err
	}
	t.note("HTTP: the first counts of %d rules, which load what they read of %d customers, took %.1f s", len(typedRules()), t.n, t.Clock().Sub(began).Seconds())
	var millis []float64
	for i := 0; len(millis) < typingRequests; i++ {
		number := fmt.Sprint(100 + i*7%900)
		for digits := 1; digits <= len(number) && len(millis) < typingRequests; digits++ {
			began := t.Clock()
			rule := fmt.Sprintf(typedRules()[i%len(typedRules())], number[:digits])
			executor, err := t.count(ctx, rule)
			if err != nil {
				return nil, err
			}
			if executor != audience.ByVector {
				return nil, fmt.Errorf("%s was counted by the executor %q, not %q", rule, executor, audience.ByVector)
			}
			millis = append(millis, ms(t.Clock().Sub(began)))
		}
	}
	t.note("HTTP: %d counts over %d customers: p50 %.1f ms, the slowest %.1f ms", len(millis), t.n, percentile(millis, 50), percentile(millis, 100))
	return []Row{below(fmt.Sprintf("count by HTTP, %d customers, p99", t.n), "ms", percentile(millis, 99), typingMS)}, nil
}

// warm asks for each rule until the columns answer: what it reads is loaded when a rule first needs it, and meanwhile
// PostgreSQL answers.
func (t *typist) warm(ctx context.Context) error {
	for _, rule := range typedRules() {
		executor := ""
		for tries := 0; executor != audience.ByVector; tries++ {
			if tries == warmTries {
				return fmt.Errorf("%s is counted by the executor %q even after %d requests", rule, executor, tries)
			}
			var err error
			if executor, err = t.count(ctx, fmt.Sprintf(rule, "1")); err != nil {
				return err
			}
		}
	}
	return nil
}

// count asks once and gives the executor that answered.
func (t *typist) count(ctx context.Context, rule string) (executor string, err error) {
	body, err := json.Marshal(map[string]any{"rule": rule, "as_of": t.at.Now})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+t.secret)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	var answer struct {
		Total    int64
		Executor string
	}
	if err := json.Unmarshal(text, &answer); err != nil || response.StatusCode != http.StatusOK {
		return "", errors.Join(fmt.Errorf("counting %s: %s: %s", rule, response.Status, text), err)
	}
	if answer.Total != int64(t.n) {
		return "", fmt.Errorf("counting %s: %d customers of %d were looked at", rule, answer.Total, t.n)
	}
	return answer.Executor, nil
}
