package channel

import (
	"bytes"
	"crypto"
	"strings"
	"testing"
	"time"

	"github.com/wneessen/go-mail"
	"pgregory.net/rapid"

	"beckon/campaigns"
)

func TestASignatureIsTheOneThatTheLibraryWrites(t *testing.T) {
	for name, key := range map[string]crypto.Signer{"ed25519": ed25519Key(t), "rsa": rsaKey(t, 1024)} {
		t.Run(name, func(t *testing.T) {
			signer := mail.NewDKIMSigner("mail.example.com", strings.Repeat("selector", 4), key)
			signer.SignHeaders(signedFields()...)
			now := time.UnixMilli(1_800_000_000_000)
			signer.NowFunc = func() time.Time { return now }
			ours := newSignature(signer)
			rapid.Check(t, func(t *rapid.T) {
				fields := rapid.SliceOfN(rapid.SampledFrom([]string{"From: a@b.test", "from :  x", "To: <c@d.test>", "Subject: =?UTF-8?Q?x?=\r\n =?UTF-8?Q?y?=", "Subject: a \t  b\r\n\tc ", "Date: x", "Message-ID: <1@b.test>",
					"MESSAGE-ID:", "List-Unsubscribe: <https://a.test/u/1>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click", "X-Other: y", "nothing"}), 1, 12).Draw(t, "fields")
				body := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b c", " ", "  ", "\t", "\r\n", "\n", "\r", "\r\n\r\n", ".", "=20", "退订", " \t x"}), 0, 20).Draw(t, "body"), "")
				content := []byte(strings.Join(fields, "\r\n") + "\r\n\r\n" + body)
				i := bytes.Index(content, []byte("\r\n\r\n"))
				want, err := signer.Sign(content[:i+2], content[i+4:])
				if err != nil {
					t.Fatal(err)
				}
				if got, err := ours.field(content); err != nil || got != want {
					t.Fatalf("%q is signed\n%s (%v), by the library\n%s", content, got, err, want)
				}
			})
		})
	}
}

func TestADomainOfAnyLengthIsFoldedAsTheLibraryFoldsIt(t *testing.T) {
	key := ed25519Key(t)
	rapid.Check(t, func(t *rapid.T) {
		domain := strings.Repeat("a", rapid.IntRange(1, 63).Draw(t, "label")) + strings.Repeat(".example", rapid.IntRange(1, 20).Draw(t, "labels"))
		signer := mail.NewDKIMSigner(domain, strings.Repeat("s", rapid.IntRange(1, 63).Draw(t, "selector")), key)
		signer.SignHeaders(signedFields()...)
		signer.NowFunc = func() time.Time { return time.Unix(rapid.Int64Range(0, 1e11).Draw(t, "at"), 0) }
		at := signer.NowFunc()
		signer.NowFunc = func() time.Time { return at }
		want, err := signer.Sign([]byte("From: a@b.test\r\n"), nil)
		if got, failed := newSignature(signer).field([]byte("From: a@b.test\r\n")); err != nil || failed != nil || got != want {
			t.Fatalf("%s\nis not\n%s (%v, %v)", got, want, failed, err)
		}
	})
}

func TestNothingIsSignedWithoutAKey(t *testing.T) {
	signer, err := OpenDKIM(campaigns.ChannelSettings{}, time.Now)
	if err != nil || newSignature(signer) != nil {
		t.Errorf("%v %v", signer, err)
	}
}
