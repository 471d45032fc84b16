package rules_test

import (
	"testing"

	"beckon/engine/audience"
	"beckon/engine/rules"
)

// TestWhatPostgreSQLCannotHoldIsRefusedOrMeantAlike writes texts that no row can have; each is refused when it is compiled, or
// found in nobody by every executor.
func TestWhatPostgreSQLCannotHoldIsRefusedOrMeantAlike(t *testing.T) {
	s := openPopulation(t, 60)
	image := openImage(t, s)
	for _, source := range []string{
		`city == "a\u0000b"`, `city == "a\x00b"`, `city == "\xff"`, `city contains "\xc3"`, `city startsWith "\x00"`, `"\xff" in tags`, `city in ["a", "\x00", "\xff"]`, `lower(city) == "\xff"`,
		`city < "\xff"`, `city matches "\x00"`, `city matches "\xff"`, `(city ?? "\xff") != "a"`, `len("\xff" + "") == 1`, `len(city ?? "\xff") == 1`, `any(items, .sku == "\x00")`, `city == "\ud800"`, `city == "` + "\xff" + `"`,
		"city == `\x00`", `city in ["e` + "\u0301" + `", "é"] || city == "e` + "\u0301" + `"`, `upper(city) endsWith "` + "\u0301" + `"`, `any(events, .props?.sku == "\xff")`, `any(tags, lower(#) != "\xff")`,
	} {
		rule, err := rules.Compile(rules.Shop(), source)
		if err != nil {
			t.Logf("%q is refused: %v", source, err)
			continue
		}
		q := audience.Question{Conditions: []audience.Asked{{Rule: rule, At: rules.Noon(t)}}, Members: true, Reach: true}
		t.Run(source, func(t *testing.T) { agreeOnPushdown(t, s, image, q, &pushdownTally{reasons: map[string]int{}}) })
	}
}
