package templates

import (
	"strings"
	"testing"
)

func TestFiltersThatLeaveLittleOfMuchAreCountedByWhatTheyWorkOn(t *testing.T) {
	much := "{% capture x %}{% for i in (1..9000) %}" + strings.Repeat("abcdefghij", 9) + "{% endfor %}{% endcapture %}"
	for _, filter := range []string{"truncate: 1", "size", "slice: 0", "strip_html | size", "truncatewords: 1 | size"} {
		t.Run(filter, func(t *testing.T) {
			template := parsed(t, textOnly(much+"{% for i in (1..900) %}{{ x | "+filter+" }}{% endfor %}"))
			_, err := template.Render(customer(nil))
			if found := problems(err); len(found) != 1 || found[0].Message != errWork.Error() {
				t.Errorf("%v", err)
			}
		})
	}
}
