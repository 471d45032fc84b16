package audience

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"beckon/engine/rules"
)

func newLimitedTranslator(isOver func() error, texts int) *translator {
	many := make([]string, texts)
	for i := range many {
		many[i] = "text " + strconv.Itoa(i)
	}
	return &translator{known: map[string]string{}, read: map[string][]string{".city": many}, isOver: isOver, visits: lookEvery}
}

func TestParametersOfAStatementHoldSoManyTextsAtMost(t *testing.T) {
	tr := newLimitedTranslator(func() error { return nil }, 0)
	half := []string{string(make([]byte, textBytesMax/2+1))}
	if tr.param(half, "text[]"); tr.reason != "" {
		t.Fatal(tr.reason)
	}
	if tr.param(half, "text[]"); tr.reason != "" {
		t.Errorf("what is a parameter already counts again: %s", tr.reason)
	}
	if tr.param(append(half, ""), "text[]"); tr.reason != tooLong {
		t.Errorf("no more texts are refused: %q", tr.reason)
	}
}

func TestDecidingTextsEndsWhenNobodyWaits(t *testing.T) {
	gone := context.Canceled
	tr := newLimitedTranslator(func() error { return gone }, 5*lookEvery)
	city := &rules.Expr{Op: rules.Column, Name: "city", Type: rules.Text}
	tr.decided(&rules.Expr{Op: rules.Equal, Type: rules.Bool, Args: []*rules.Expr{{Op: rules.Call, Name: "lower", Type: rules.Text, Args: []*rules.Expr{city}}, {Op: rules.Constant, Type: rules.Text, Value: "x"}}}, city)
	if !errors.Is(tr.failed, gone) {
		t.Errorf("it went on: %v", tr.failed)
	}
	if len(tr.args) > 0 {
		t.Errorf("%d parameters are left behind", len(tr.args))
	}
}
