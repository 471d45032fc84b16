package channel

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
)

const (
	sampleTag = "abcdefghijklmnopqrstuvwxyz234567abcdefghi"
	sampleID  = "019abcde-0123-7abc-8def-0123456789ab"
)

// A seen is what a report says, as one line.
func seen(r Report) string {
	words := []string{string(r.Status)}
	if r.Status == "" {
		words[0] = "-"
	}
	for word, is := range map[string]bool{"hard": r.Hard} {
		if is {
			words = append(words, word)
		}
	}
	if r.Complaint {
		words = append(words, "complaint")
	}
	if r.Tag != "" {
		words = append(words, map[bool]string{true: "tag", false: r.Tag}[r.Tag == sampleTag])
	}
	if r.MessageID != (campaigns.ID{}) {
		words = append(words, map[bool]string{true: "id", false: r.MessageID.String()}[r.MessageID.String() == sampleID])
	}
	return strings.TrimSpace(strings.Join(append(words, r.Address), " "))
}

func TestReportsAreReadAsTheyAreMeant(t *testing.T) {
	cases := map[string][]string{
		"rfc3464_simple.eml":     {"bounced louisl@larry.slip.umd.edu"},
		"rfc3464_recipients.eml": {"bounced hard arathib@vnet.ibm.com", "- johnh@hpnjld.njd.hp.com", "bounced hard wsnell@sdcc13.ucsd.edu"},
		"rfc3464_gateway.eml":    {"bounced hard"},
		"rfc3464_delayed.eml":    {"- thomas@de-montfort.ac.uk"},
		"rfc5965_simple.eml":     {"- complaint"},
		"rfc5965_full.eml":       {"- complaint user@example.com"},
		"arf_not_spam.eml":       {},
		"arf_ours.eml":           {"- complaint tag id redacted@example.org"},
		"arf_header_only.eml":    {"- complaint tag"},
		"postfix.eml":            {"bounced hard tag id ann@example.org"},
		"exim.eml":               {"bounced tag id ann@example.org"}, // 5.0.0, and it was policy
		"gmail.eml":              {"bounced hard id ann@example.org"},
		"exchange.eml":           {"bounced hard tag id ann@example.org"},
		"mailbox_full.eml":       {"bounced tag ann@example.org"},
		"delivered_encoded.eml":  {"delivered ann@example.org"},
		"auto_reply.eml":         nil,
		"qmail.eml":              nil,
	}
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) != len(cases) {
		t.Errorf("%d samples, %d expectations, %v", len(files), len(cases), err)
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile("testdata/" + name)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range [][]byte{raw, bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))} {
				reports, err := ReadReport(text, noon())
				if want == nil {
					if fieldOf(err) != "body" || !strings.Contains(err.Error(), "no report") {
						t.Errorf("%v, %v", reports, err)
					}
					continue
				}
				if err != nil || len(reports) != len(want) {
					t.Fatalf("%d reports, %v, want %d", len(reports), err, len(want))
				}
				for i, report := range reports {
					if got := seen(report); got != want[i] {
						t.Errorf("%d: %q (%s), want %q", i, got, report.Detail, want[i])
					}
					if report.Detail == "" || len(report.Detail) > detailMax+5 || report.At.After(noon()) {
						t.Errorf("%+v", report)
					}
				}
			}
		})
	}
}

func TestAReportTellsWhenAndWhy(t *testing.T) {
	raw, err := os.ReadFile("testdata/gmail.eml")
	if err != nil {
		t.Fatal(err)
	}
	reports, err := ReadReport(raw, noon())
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC); !reports[0].At.Equal(want) || !strings.Contains(reports[0].Detail, "does not exist") {
		t.Errorf("%+v", reports[0])
	}
	if reports, _ := ReadReport(raw, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)); reports[0].At.Month() != 11 || reports[0].At.Day() != 1 {
		t.Errorf("a time that is to come is believed: %v", reports[0].At)
	}
}

func TestAFailureIsForEverAsItsStatusSays(t *testing.T) {
	cases := map[string]struct {
		status, said string
		hard         bool
	}{
		"no such mailbox":                {"5.1.1", "", true},
		"no such domain":                 {"5.1.2", "", true},
		"a domain without mail":          {"5.1.10", "", true},
		"bad syntax":                     {"5.1.3", "", true},
		"moved":                          {"5.1.6", "", true},
		"valid":                          {"5.1.5", "", false},
		"our own address":                {"5.1.8", "", false},
		"disabled":                       {"5.2.1", "", true},
		"full":                           {"5.2.2", "", false},
		"the system":                     {"5.3.0", "", false},
		"no route":                       {"5.4.4", "", true},
		"expired":                        {"5.4.7", "", false},
		"content":                        {"5.6.0", "", false},
		"policy":                         {"5.7.1", "550 5.1.1 no such user", false},
		"nothing":                        {"5.0.0", "", true},
		"nothing, but told":              {"5.0.0", "550 5.7.1 no", false},
		"nothing, but told for ever":     {"5.0.0", "550 5.1.1 no", true},
		"nothing, and a code":            {"5.0.0", "550 no such user", true},
		"nothing, and a code for size":   {"5.0.0", "552 too much", false},
		"nothing, and a word for policy": {"5.0.0", "550 listed at blackhole.example", false},
		"nothing, in words":              {"5.0.0", "unrouteable mail domain", true},
		"nothing, in words of policy":    {"5.0.0", "this looks like spam", false},
		"given up":                       {"4.4.7", "", false},
		"no status":                      {"", "550 5.1.1 no", false},
	}
	for name, c := range cases {
		status, _ := parseStatus(c.status)
		if got := hardReport(status, c.said); got != c.hard {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// deep is a message of multiparts within multiparts.
func deep(levels int) []byte {
	var b bytes.Buffer
	for i := range levels {
		b.WriteString("Content-Type: multipart/mixed; boundary=b" + strings.Repeat("x", i%7) + "\r\n\r\n--b" + strings.Repeat("x", i%7) + "\r\n")
	}
	return b.Bytes()
}

// endless are parts within parts of which none is closed.
func endless(depth int, boundary string) string {
	var all strings.Builder
	for i := range depth {
		fmt.Fprintf(&all, "Content-Type: multipart/mixed; %s=b%d\r\n\r\n--b%d\r\n", boundary, i, i)
	}
	return all.String()
}

func hostileReports() map[string][]byte {
	report := "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
	flat := strings.Repeat("\r\n--b\r\nContent-Type: text/plain\r\n\r\nx", 1000)
	return map[string][]byte{
		"nothing":                    {},
		"NULs":                       bytes.Repeat([]byte{0}, 1<<20),
		"10 MB of a letter":          bytes.Repeat([]byte("a"), 10<<20),
		"10 MB of lines":             bytes.Repeat([]byte("a: b\r\n"), 10<<20/6),
		"10 MB of folds":             []byte("a: b" + strings.Repeat("\r\n c", 10<<20/4)),
		"10 MB of folds in a field":  []byte(report + "\r\nAction: failed" + strings.Repeat("\r\n c", 10<<20/4)),
		"10 MB of recipients":        []byte(report + strings.Repeat("\r\nFinal-Recipient: rfc822; a@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n", 10<<20/75)),
		"1,000 parts":                []byte("Content-Type: multipart/report; boundary=b\r\n" + flat),
		"1,000 parts, and a report":  []byte("Content-Type: multipart/report; boundary=b\r\n" + flat + "\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n"),
		"a megabyte of empty parts":  []byte("Content-Type: multipart/report; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n", 1<<17)),
		"deep parts with long lines": []byte(endless(1500, "=?utf-8?b?Ym91bmRhcnk=?=") + strings.Repeat("x\r\n", 1<<18)),
		"deep parts without folds":   []byte(endless(1500, "\r\nboundary") + strings.Repeat("x\r\n", 1<<18)),
		"parts in encoded words":     []byte(endless(40, "=?utf-8?b?Ym91bmRhcnk=?=")),
		"parts that never end":       []byte(endless(reportDepthMax, "boundary")),
		"many parts that never end":  []byte(endless(31, "boundary\r\n ")),
		"parts without end of lines": []byte(endless(reportDepthMax, "boundary") + strings.Repeat("x\r\n", 1<<18)),
		"parts without end of parts": []byte(endless(reportDepthMax, "boundary") + strings.Repeat("--b0\r\n\r\n", 1<<17)),
		"parts within parts":         deep(20_000),
		"some parts within parts":    deep(30),
		"no boundary":                []byte("Content-Type: multipart/report\r\n\r\n--b\r\n"),
		"an endless boundary":        []byte("Content-Type: multipart/report; boundary=" + strings.Repeat("b", 1<<19) + "\r\n\r\n--b\r\n"),
		"bad base64":                 []byte("Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\r\n"),
		"a header without a colon":   []byte("nothing\r\n\r\n" + report),
		"cut in a field":             []byte(report + "Action: fai"),
	}
}

func TestHostileReportsTakeNeitherTimeNorMemory(t *testing.T) {
	for name, raw := range hostileReports() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			reports, err := ReadReport(raw, noon())
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			if err != nil && fieldOf(err) != "body" || len(reports) > reportBlocksMax {
				t.Errorf("%d reports, %v", len(reports), err)
			}
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 100<<20 || took > 5*slowed*time.Second {
				t.Errorf("%d MB in %s", allocated>>20, took)
			}
		})
	}
}

func TestAReportBehindManyPartsIsFound(t *testing.T) {
	reports, err := ReadReport(hostileReports()["1,000 parts, and a report"], noon())
	if err != nil || len(reports) != 1 || !reports[0].Hard {
		t.Errorf("%v, %v", reports, err)
	}
}

func FuzzReadReport(f *testing.F) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(raw[:len(raw)/2])
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		reports, err := ReadReport(raw, noon())
		if err != nil && fieldOf(err) != "body" {
			t.Fatalf("%v", err)
		}
		for _, r := range reports {
			if r.At.After(noon()) || r.Hard && r.Status != campaigns.MessageBounced || r.Address != "" && campaigns.CheckBareAddress(r.Address) != nil || len(r.Tag) > campaigns.BounceTagMax {
				t.Fatalf("%+v", r)
			}
		}
	})
}
