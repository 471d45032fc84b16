package api

import (
	"context"

	"beckon/engine"
	"beckon/engine/rules"
)

// explainedRule is why a customer is in or out.
type explainedRule struct {
	Matches   bool      `json:"matches"`
	Tree      pieceBody `json:"tree"`
	KeptOutBy []string  `json:"kept_out_by" nullable:"false" doc:"of the conditions joined with && at the top, those that are false for a customer who is out"`

	Gates []engine.Keeper `json:"gates" nullable:"false" doc:"what would keep the customer from marketing messages now, whether the rule matches or not"`
}

// pieceBody is a part of a rule with its value for the customer.
type pieceBody struct {
	Text     string      `json:"text" doc:"the part as written"`
	Value    string      `json:"value" doc:"missing where there is none"`
	Matches  *bool       `json:"matches,omitempty" doc:"of conditions alone"`
	Children []pieceBody `json:"children" nullable:"false"`
}

func pieceOf(p rules.Piece) pieceBody {
	b := pieceBody{Text: p.Text, Value: p.Value, Matches: p.Matches, Children: []pieceBody{}}
	for _, child := range p.Children {
		b.Children = append(b.Children, pieceOf(child))
	}
	return b
}

func (s *Server) explainRule(ctx context.Context, in *struct {
	Body struct {
		Rule       string `json:"rule" maxLength:"10000"`
		CustomerID string `json:"customer_id" minLength:"1"`
	}
}) (*some[explainedRule], error) {
	why, err := s.engine.ExplainRule(ctx, in.Body.Rule, in.Body.CustomerID)
	if err != nil {
		return nil, err
	}
	keepers, err := s.engine.KeptOut(ctx, in.Body.CustomerID)
	if err != nil {
		return nil, err
	}
	out := explainedRule{Gates: keepers, Matches: *why.Tree.Matches, Tree: pieceOf(why.Tree), KeptOutBy: []string{}}
	out.KeptOutBy = append(out.KeptOutBy, why.KeptOutBy...)
	return &some[explainedRule]{out}, nil
}

// forecastBody is how many customers a rule will match on each day.
type forecastBody struct {
	Days []dayBody `json:"days" nullable:"false" doc:"today first, each at this time of day in the workspace's zone"`
}

// rows are what CSV shows of a forecast.
func (f forecastBody) rows() any { return f.Days }

type dayBody struct {
	Date  string `json:"date" format:"date"`
	Count int64  `json:"count"`
}

func (s *Server) forecastRule(ctx context.Context, in *struct {
	Format string `query:"format" enum:"json,csv" doc:"csv is a table, as with Accept: text/csv"`
	Body   struct {
		Rule string `json:"rule" maxLength:"10000"`
		Days int    `json:"days" minimum:"1" maximum:"366"`
	}
}) (*some[forecastBody], error) {
	found, err := s.engine.ForecastRule(ctx, in.Body.Rule, in.Body.Days)
	if err != nil {
		return nil, err
	}
	out := &some[forecastBody]{forecastBody{Days: []dayBody{}}}
	for _, day := range found {
		out.Body.Days = append(out.Body.Days, dayBody(day))
	}
	return out, nil
}
