package channel

import (
	"crypto/hmac"
	"crypto/sha1" // what Twilio's and Aliyun's signatures are made with
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"beckon/campaigns"
)

// sign proves who sends a request, in its header or in its body.
func (g *gateway) sign(header http.Header, method, address, body string) (string, error) {
	s := &g.settings
	switch s.Sign {
	case campaigns.SignBasic:
		login := s.Username + ":" + campaigns.Text(s.Password)
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(login)))
	case campaigns.SignAliyun:
		return g.signAliyun(method, address, body)
	}
	return body, nil
}

// signAliyun adds the common parameters and the signature of Aliyun's RPC style, version 1, to a form. The nonce is new for
// each attempt: one that was used within a quarter of an hour is refused.
func (g *gateway) signAliyun(method, address, body string) (string, error) {
	form, err := url.ParseQuery(body)
	if err != nil {
		return "", fmt.Errorf("the gateway's body is not a form")
	}
	form.Set("Format", "JSON")
	form.Set("AccessKeyId", g.settings.AccessKey)
	form.Set("SignatureMethod", "HMAC-SHA1")
	form.Set("SignatureVersion", "1.0")
	form.Set("SignatureNonce", hex.EncodeToString(campaigns.Secret(16)))
	form.Set("Timestamp", g.clock().UTC().Format(time.RFC3339))
	all := maps.Clone(form)
	if u, err := url.Parse(address); err == nil {
		maps.Copy(all, u.Query())
	}
	form.Set("Signature", aliyunSignature(campaigns.Text(g.settings.AccessSecret), method, all))
	return form.Encode(), nil
}

// aliyunSignature is the signature of Aliyun's RPC style, version 1.0, over the parameters of a request but Signature
// itself: HMAC-SHA1 over method, "/" and the sorted parameters, each percent-encoded as RFC 3986 has it.
func aliyunSignature(secret, method string, params url.Values) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name != "Signature" {
			pairs = append(pairs, percent(name)+"="+percent(params.Get(name)))
		}
	}
	text := method + "&" + percent("/") + "&" + percent(strings.Join(pairs, "&"))
	return macSHA1(secret+"&", text)
}

// percent is RFC 3986's encoding: all but letters, digits and - _ . ~ is escaped.
func percent(text string) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(text))
}

// TwilioSignature is what X-Twilio-Signature holds: HMAC-SHA1 under the account's auth token over the address that Twilio
// called and the sorted parameters of the form, name and value in a row.
func TwilioSignature(token, address string, form url.Values) string {
	var text strings.Builder
	text.WriteString(address)
	for _, name := range slices.Sorted(maps.Keys(form)) {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			text.WriteString(name + value)
		}
	}
	return macSHA1(token, text.String())
}

func macSHA1(key, text string) string {
	mac := hmac.New(sha1.New, []byte(key))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
