package api_test

import (
	"context"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser starts a headless Chromium; the test is skipped with the reason where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium here to look at the pages with: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en-US"))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

func TestTheTodayPageShowsWhatRanWithoutAnError(t *testing.T) {
	ctx := browser(t)
	sv := serve(t)
	sv.put("/v1/customers/c1", map[string]any{"name": "Ann <b>", "email": "ann@example.com", "email_consent": true}).want(200)
	template := sv.post("/v1/templates", map[string]any{"name": "Hi", "channel": "email", "parts": map[string]string{"subject": "Hi", "text": "Hello {{ customer.name }}"}}).want(201)
	campaign := sv.post("/v1/campaigns", map[string]any{"name": "Greeting <script>", "kind": "once", "rule": "true", "holdout": 0,
		"variants": []any{map[string]any{"name": "A", "weight": 1, "channel_id": "catcher", "template_id": template.text("id")}}}).want(201)
	sv.post("/v1/campaigns/"+campaign.text("id")+"/launch", nil).want(200)
	if err := sv.engine.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	pages := httptest.NewServer(sv.api)
	t.Cleanup(pages.Close)

	var mu sync.Mutex
	var complaints []string
	listen := func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			complaints = append(complaints, e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			complaints = append(complaints, string(e.Type))
		}
	}
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	read := func(what chromedp.Action[string]) string {
		t.Helper()
		text, err := chromedp.Run(ctx, what)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	do(chromedp.Navigate("about:blank"))
	if err := chromedp.Listen(ctx, listen); err != nil {
		t.Fatal(err)
	}
	key := chromedp.CSS("#key")
	do(chromedp.Navigate(pages.URL+"/"), chromedp.WaitVisible(key), chromedp.SendKeys(key, "not-a-key\r"), chromedp.WaitVisible(chromedp.CSS("#enterError")))
	if wrong := read(chromedp.Text(chromedp.CSS("#enterError"))); !strings.Contains(wrong, "does not open anything") {
		t.Errorf("a wrong key is answered with %q", wrong)
	}
	do(chromedp.SendKeys(key, sv.key+"\r"), chromedp.WaitVisible(chromedp.CSS("#ran td")), chromedp.WaitNotVisible(chromedp.CSS("#enter")))
	if ran := read(chromedp.Text(chromedp.CSS("#ran"))); !strings.Contains(ran, "Greeting <script>") || !strings.Contains(ran, "done") {
		t.Errorf("what ran is shown as %q", ran)
	}
	do(chromedp.Click(chromedp.CSS("#language")))
	if title := read(chromedp.Title()); !strings.Contains(title, "今日") {
		t.Errorf("the Chinese page is called %q", title)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(complaints) > 0 {
		t.Errorf("the page complained: %v", complaints)
	}
}
