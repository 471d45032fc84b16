package api

import (
	"context"
	"errors"
	"time"

	"beckon/campaigns"
)

type checkedRule struct {
	Valid      bool                `json:"valid"`
	Errors     []campaigns.Problem `json:"errors" nullable:"false"`
	Attributes []string            `json:"attributes" nullable:"false" doc:"the names that the rule uses"`
	Executor   string              `json:"executor"`
	Why        string              `json:"why"`
}

type ruleRequest struct {
	Body struct {
		Rule string `json:"rule" maxLength:"10000"`
	}
}

// countedRule is how many customers match a rule.
type countedRule struct {
	Count     int64        `json:"count"`
	Total     int64        `json:"total" doc:"all customers"`
	Clauses   []clauseBody `json:"clauses" nullable:"false" doc:"the conditions that the rule joins with && at its top, each by itself"`
	Reachable struct {
		SMS   int64 `json:"sms"`
		Email int64 `json:"email"`
	} `json:"reachable" doc:"of those who match: consent given and an address known"`
	TookMS   int64  `json:"took_ms"`
	Executor string `json:"executor"`
}

type clauseBody struct {
	Text  string `json:"text"`
	Count int64  `json:"count"`
}

// checkRule answers 200 for a wrong rule too: that it is wrong is what was asked.
func (s *Server) checkRule(ctx context.Context, in *ruleRequest) (*some[checkedRule], error) {
	out := &some[checkedRule]{checkedRule{Errors: []campaigns.Problem{}, Attributes: []string{}}}
	rule, err := s.engine.CheckRule(ctx, in.Body.Rule)
	if wrong := (*campaigns.Error)(nil); errors.As(err, &wrong) {
		out.Body.Errors = wrong.Problems
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	out.Body.Valid = true
	out.Body.Attributes = append(out.Body.Attributes, rule.Attributes()...)
	choice, err := s.engine.ChooseExecutor(ctx, rule)
	out.Body.Executor, out.Body.Why = choice.Executor, choice.Why
	return out, err
}

func (s *Server) countRule(ctx context.Context, in *struct {
	Body struct {
		Rule string     `json:"rule" maxLength:"10000"`
		AsOf *time.Time `json:"as_of,omitempty" doc:"now when it is left out"`
		Zone string     `json:"zone,omitempty" doc:"IANA; the workspace's when it is left out"`
	}
}) (*some[countedRule], error) {
	var asOf time.Time
	if in.Body.AsOf != nil {
		asOf = *in.Body.AsOf
	}
	found, err := s.engine.CountRule(ctx, in.Body.Rule, asOf, in.Body.Zone)
	if err != nil {
		return nil, err
	}
	out := &some[countedRule]{countedRule{Count: found.Matching, Total: found.Total, TookMS: found.Took.Milliseconds(), Executor: found.Executor}}
	out.Body.Clauses = []clauseBody{}
	for _, c := range found.Clauses {
		out.Body.Clauses = append(out.Body.Clauses, clauseBody(c))
	}
	out.Body.Reachable.SMS, out.Body.Reachable.Email = found.Reachable[campaigns.SMS], found.Reachable[campaigns.Email]
	return out, nil
}
