package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestEveryNameThatIsNotReservedWorksAsAnAttribute(t *testing.T) {
	words := append(slices.Collect(maps.Keys(functions())), "segment", "abs", "first", "last", "find", "reduce", "split", "env", "this", "self", "is", "like", "between", "then", "type", "get", "len", "now_", "duration", "fromjson", "keys", "sort", "ceil")
	for _, c := range closures() {
		words = append(words, c.name)
	}
	for _, word := range append(words, Reserved()...) {
		s := NewSchema(2, []Attribute{{word, Int}})
		_, err := Compile(s, fmt.Sprintf("%s > 1 && any(purchases, %s == 3 && !(%s in 1..5))", word, word, word))
		if isReserved := slices.Contains(Reserved(), word); (err != nil || word == "nil") != isReserved {
			t.Errorf("%s: %v", word, err)
		}
	}
}

func TestAHintKeepsSomethingOfWhatWasWritten(t *testing.T) {
	for written, want := range map[string]string{"城市": "", "q": "", "citty": "did you mean `city`?", "City": "did you mean `city`?", "totalspend": "did you mean `total_spend`?", "ID": "did you mean `id`?",
		"iD": "did you mean `id`?", "xy": ""} {
		_, err := Compile(shop(), written+" == 1")
		if err == nil {
			t.Fatal(written)
		}
		if got := strings.Contains(err.Error(), "did you mean"); got != (want != "") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v", written, err)
		}
	}
}
