package api_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
)

// aKey is an Ed25519 key as PEM, always the same.
func aKey(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestAChannelShowsWhatToPublishAndNoneOfItsSecrets(t *testing.T) {
	sv := serve(t)
	secrets := []string{"BEGIN PRIVATE", "hush-password", "hush-hook", "hush-inbox"}
	settings := map[string]any{"host": "mail.example.com", "from": "shop@example.com", "username": "u", "password": secrets[1], "hook_secret": secrets[2],
		"return_path": "bounces@mail.example.com", "dkim_domain": "example.com", "dkim_selector": "2026a", "dkim_key": aKey(t), "dkim_record": "mine",
		"inbox_host": "imap.example.com", "inbox_username": "b", "inbox_password": secrets[3]}
	body := map[string]any{"id": "mail", "name": "Mail", "kind": "smtp", "settings": settings}
	record := "2026a._domainkey.example.com TXT v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik="
	shows := func(a *answer) {
		t.Helper()
		a.is(record, "settings", "dkim_record")
		for _, secret := range secrets {
			if strings.Contains(a.Text, secret) {
				t.Errorf("%s is shown: %s", secret, a.Text)
			}
		}
	}
	shows(sv.post("/v1/channels", body).want(201))
	shown := sv.get("/v1/channels/mail").want(200)
	shows(shown)
	shows(sv.put("/v1/channels/mail", shown.at()).want(200)) // what was read is written back: secrets that are left out stay
	shows(sv.get("/v1/channels/mail").want(200))
	if list := sv.get("/v1/channels").want(200).Text; !strings.Contains(list, record) || strings.Contains(list, "PRIVATE") {
		t.Errorf("the list shows %s", list)
	}
	if audit := sv.get("/v1/audit").want(200).Text; strings.Contains(audit, "PRIVATE") || strings.Contains(audit, "hush") {
		t.Errorf("the audit log shows %s", audit)
	}
	for field, value := range map[string]any{"dkim_key": "nonsense", "dkim_selector": "a b", "return_path": "a+b@example.com", "inbox_tls": "starttls"} {
		before := settings[field]
		settings[field] = value
		a := sv.put("/v1/channels/mail", body).want(422).names("settings." + field)
		if strings.Contains(a.Text, "hush") {
			t.Errorf("%s", a.Text)
		}
		if settings[field] = before; before == nil {
			delete(settings, field)
		}
	}
	settings["dkim_key"], settings["dkim_domain"], settings["dkim_selector"] = "", "", ""
	if a := sv.put("/v1/channels/mail", body).want(200); strings.Contains(a.Text, "dkim") {
		t.Errorf("a key that was removed leaves %s", a.Text)
	}
}
