package campaigns

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// A Version is one edit of a campaign: who wrote it, how its review went, and whether runs are made from it.
type Version struct {
	Version    int        `json:"version"`
	Live       bool       `json:"live" doc:"whether runs are made from it"`
	CreatedBy  string     `json:"created_by"`
	CreatedAt  time.Time  `json:"created_at"`
	LaunchedAt *time.Time `json:"launched_at,omitempty" doc:"when it was put in effect"`
	Review     Review     `json:"review"`

	// What it says and froze: of a single version, not of a list.
	Definition Definition `json:"-"`
	Frozen     Frozen     `json:"-"`
}

// Frozen is what a version uses, pinned when it is submitted for review or, without a review, launched: editing a
// template, an offer or a segment never changes what an approved campaign sends.
type Frozen struct {
	Templates map[string]int `json:"templates,omitempty"` // template id → revision
	Offers    map[string]int `json:"offers,omitempty"`    // offer id → revision
	Zone      string         `json:"zone,omitempty"`      // the workspace's, for campaigns without a schedule

	Segments map[string]string `json:"segments,omitempty"` // name → rule, of all that the campaign's rules use
	Computed map[string]string `json:"computed,omitempty"` // name → expression, likewise

	Hashes map[string]string `json:"hashes,omitempty"` // part → ContentHash: definition, rule, holdout, template <id>, offer <id>, channel <id>
	Hash   string            `json:"hash,omitempty"`   // over all parts
	Draw   int               `json:"draw,omitempty"`   // how often the arms' shares were changed since the first launch
}

// Is says whether anything was frozen.
func (f *Frozen) Is() bool { return f.Zone != "" }

// Seal works out the hash over all parts.
func (f *Frozen) Seal() error {
	hash, err := ContentHash(f.Hashes)
	f.Hash = hash
	return err
}

// ContentHash is the SHA-256 of a value's JSON in hexadecimal digits. Fields stand in their order and keys of maps in
// theirs, so that equal values have equal hashes.
func ContentHash(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("hashing: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// CopyName is the name of a campaign's copy, at most as long as a name may be.
func CopyName(name string) string {
	const mark, longest = " (copy)", 200
	runes := []rune(name)
	return string(runes[:min(len(runes), longest-len(mark))]) + mark
}
