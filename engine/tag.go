package engine

import (
	"iter"
	"strings"
)

// A tagValue is an attribute of a tag: the value as it stands there, and where it stands with its quotes.
type tagValue struct {
	value      string
	begin, end int
}

// attributes gives the attributes of a start tag that have a value or none, with their names in lower case, as browsers
// find them (HTML, 13.2.5.32 to 13.2.5.40).
func attributes(tag string) iter.Seq2[string, tagValue] {
	return func(yield func(string, tagValue) bool) {
		i := 1
		for i < len(tag) && !isBlank(tag[i]) && tag[i] != '/' && tag[i] != '>' {
			i++ // the tag's name
		}
		for {
			for i < len(tag) && (isBlank(tag[i]) || tag[i] == '/') {
				i++
			}
			if i >= len(tag) || tag[i] == '>' {
				return
			}
			name, a, next := attribute(tag, i)
			if !yield(strings.ToLower(name), a) {
				return
			}
			i = next
		}
	}
}

// attribute reads one that begins at i, and says where the next may begin.
func attribute(tag string, i int) (name string, a tagValue, next int) {
	from := i
	for i++; i < len(tag) && !isBlank(tag[i]) && tag[i] != '/' && tag[i] != '>' && tag[i] != '='; i++ {
	}
	name, next = tag[from:i], i
	for i < len(tag) && isBlank(tag[i]) {
		i++
	}
	if i >= len(tag) || tag[i] != '=' {
		return name, tagValue{begin: next, end: next}, next
	}
	for i++; i < len(tag) && isBlank(tag[i]); i++ {
	}
	a.begin = i
	if i < len(tag) && (tag[i] == '"' || tag[i] == '\'') {
		closing := strings.IndexByte(tag[i+1:], tag[i])
		if closing < 0 {
			return name, tagValue{begin: len(tag), end: len(tag)}, len(tag)
		}
		a.value, a.end = tag[i+1:i+1+closing], i+closing+2
		return name, a, a.end
	}
	for i < len(tag) && !isBlank(tag[i]) && tag[i] != '>' {
		i++
	}
	a.value, a.end = tag[a.begin:i], i
	return name, a, i
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }
