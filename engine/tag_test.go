package engine

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
)

func TestATagNamesItsMessageAndCannotBeChanged(t *testing.T) {
	l := links{key: campaigns.Secret(32)}
	rapid.Check(t, func(t *rapid.T) {
		no := rapid.Int64Range(0, 1<<42-1).Draw(t, "no")
		id := campaigns.NewID(time.UnixMilli(rapid.Int64Range(0, 1<<47).Draw(t, "at")))
		tag := l.bounceTag(no, id)
		if tag == "" || len(tag) > campaigns.BounceTagMax || strings.Trim(tag, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Fatalf("the tag is %q", tag)
		}
		for _, given := range []string{tag, strings.ToUpper(tag)} {
			if gotNo, gotID, ok := l.readBounceTag(given); !ok || gotNo != no || gotID != id {
				t.Fatalf("%s: %d %s %t, want %d %s", given, gotNo, gotID, ok, no, id)
			}
		}
		changed := []byte(tag)
		at := rapid.IntRange(0, len(tag)-2).Draw(t, "place") // the last letter may hold bits that nobody reads
		changed[at] = rapid.SampledFrom([]byte("abcdefghijklmnopqrstuvwxyz234567")).Draw(t, "letter")
		gotNo, gotID, ok := l.readBounceTag(string(changed))
		if ok && string(changed) != tag {
			t.Fatalf("%s reads as %d %s", changed, gotNo, gotID)
		}
		if _, _, ok := (links{key: campaigns.Secret(32)}).readBounceTag(tag); ok {
			t.Fatal("another workspace's tag is read")
		}
		if _, _, ok := l.readBounceTag(rapid.String().Draw(t, "nonsense")); ok {
			t.Fatal("nonsense is read")
		}
	})
}
