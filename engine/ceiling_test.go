package engine

import (
	"io"
	"strings"
	"testing"

	"beckon/campaigns"
)

func TestAFileThatUnpacksWithoutEndIsRefusedAndNotCutShort(t *testing.T) {
	read, err := io.ReadAll(&ceiling{strings.NewReader("0123456789"), 4})
	if string(read) != "0123" || campaigns.CodeOf(err) != campaigns.CodeInvalid {
		t.Errorf("read %q, %v", read, err)
	}
	if read, err := io.ReadAll(&ceiling{strings.NewReader("0123"), 5}); string(read) != "0123" || err != nil {
		t.Errorf("read %q, %v", read, err)
	}
}
