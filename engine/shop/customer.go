package shop

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"beckon/campaigns"
)

// Shares of customers, chosen to look like a shop's: not everybody has told everything, and some share an address.
const (
	western      = 0.08
	withBirthday = 0.92
	withEmail    = 0.92
	withPhone    = 0.90
	emailYes     = 0.82
	smsYes       = 0.75
	consentNo    = 0.60 // of those who have not said yes: said no, the others nothing
	sharing      = 0.004
	leapEvery    = 800 // every so many customers one is born on 29 February, beside those born so by chance
)

// Customer is the profile at a place from 0.
func (s *Shop) Customer(i int) campaigns.Customer {
	r := s.stream("profile", i, 0)
	gender := "female"
	if r.Float64() < 0.35 {
		gender = "male"
	}
	name, letters, language := nameOf(r, gender)
	h := s.habit(i)
	city, zone, tier := pick(r, cities()), "Asia/Shanghai", h.tier
	c := campaigns.Customer{ID: CustomerID(i), Name: &name, Gender: &gender, City: &city, Language: &language, Timezone: &zone, Tier: &tier, RegisteredAt: &h.registered}
	c.Birthday = birthdayOf(r, i)
	s.addresses(&c, r, i, letters)
	for _, tag := range tagWords() {
		if r.Float64() < 0.12 {
			c.Tags = append(c.Tags, tag)
		}
	}
	return c
}

func nameOf(r *rand.Rand, gender string) (name, letters, language string) {
	given, families := chineseWomen(), chineseFamilies()
	isWestern := r.Float64() < western
	switch {
	case isWestern && gender == "male":
		given, families = westernMen(), westernFamilies()
	case isWestern:
		given, families = westernWomen(), westernFamilies()
	case gender == "male":
		given = chineseMen()
	}
	first, family := given[r.IntN(len(given))], families[r.IntN(len(families))]
	if isWestern {
		return first.name + " " + family.name, first.letters + "." + family.letters, "en"
	}
	return family.name + first.name, first.letters + "." + family.letters, "zh"
}

// birthdayOf is a day of 1950 to 2007, nil for some.
func birthdayOf(r *rand.Rand, i int) *time.Time {
	const first, days = 1950, 58*365 + 14
	day := time.Date(first, 1, 1+r.IntN(days), 0, 0, 0, 0, time.UTC)
	if r.Float64() >= withBirthday {
		return nil
	}
	if i%leapEvery == 29 {
		day = time.Date(1952+4*r.IntN(14), 2, 29, 0, 0, 0, 0, time.UTC)
	}
	return &day
}

// addresses gives e-mail, phone and the word on each. A few have the address of the customer before them: couples, and
// profiles that were made twice.
func (s *Shop) addresses(c *campaigns.Customer, r *rand.Rand, i int, letters string) {
	hasEmail, hasPhone, shares := r.Float64() < withEmail, r.Float64() < withPhone, r.Float64() < sharing
	email, phone := emailOf(letters, i), s.phoneOf(i)
	if shares && i > 0 {
		phone = s.phoneOf(i - 1)
	}
	c.EmailConsent, c.SMSConsent = wordOn(r, emailYes), wordOn(r, smsYes)
	if hasEmail {
		c.Email = &email
	}
	if hasPhone {
		c.Phone = &phone
	}
}

func emailOf(letters string, i int) string {
	domains := []string{"example.com", "example.net", "example.org", "mail.example.com"}
	return fmt.Sprintf("%s%d@%s", letters, i+1, domains[i%len(domains)])
}

// phoneOf is a Chinese mobile number of each customer's own: 7919 and 10^8 have no common factor.
func (s *Shop) phoneOf(i int) string {
	prefixes := []string{"138", "139", "150", "158", "176", "186", "199"}
	return fmt.Sprintf("+86%s%08d", prefixes[i%len(prefixes)], (uint64(i)*7919+s.options.Seed%1000)%100_000_000)
}

func wordOn(r *rand.Rand, yes float64) *bool {
	said, no := r.Float64() < yes, r.Float64() < consentNo
	if !said && !no {
		return nil
	}
	return &said
}

func pick(r *rand.Rand, from []weighted) string {
	n := r.IntN(100)
	for _, w := range from {
		if n -= w.weight; n < 0 {
			return w.word
		}
	}
	return from[0].word
}

// A habit is how somebody buys: at a rate of their own while they are a customer, until they silently leave.
type habit struct {
	registered time.Time
	from       time.Time // the first instant at which the shop remembers purchases
	leaves     time.Time
	perDay     float64
	basket     float64 // mean of the logarithm of what a basket is worth, in yuan
	favourite  int     // brand
	answers    float64 // how readily they answer messages; 1 on average
	tier       string
}

// The parameters of buying: Gamma–Poisson (Schmittlein, Morrison, Colombo 1987), with exponential lives and log-normal
// baskets. They make about 21 purchases a customer in two years.
const (
	rateShape  = 0.9
	ratePerDay = 0.066
	lifeDays   = 620
	neverBuys  = 0.04
	basketLog  = 5.1 // e^5.1 is 164 yuan
	basketOwn  = 0.35
	basketEach = 0.55
)

func (s *Shop) habit(i int) habit {
	r := s.stream("habit", i, 0)
	day := 24 * time.Hour
	h := habit{registered: s.midnight.Add(-time.Duration(r.Float64()*3.5*365*24) * time.Hour).Add(-time.Hour)}
	h.from = s.midnight.AddDate(0, 0, -HistoryDays)
	if h.registered.After(h.from) {
		h.from = h.registered
	}
	h.leaves = h.from.Add(time.Duration(r.ExpFloat64() * lifeDays * float64(day)))
	h.perDay = gamma(r, rateShape) * ratePerDay / rateShape
	if r.Float64() < neverBuys {
		h.perDay = 0
	}
	h.basket = basketLog + basketOwn*r.NormFloat64()
	h.favourite = r.IntN(len(brands()))
	h.answers = 2 * r.Float64()
	value := h.perDay * math.Exp(h.basket) * (0.5 + r.Float64())
	tiers, bounds := []string{"bronze", "silver", "gold", "platinum"}, []float64{8, 20, 40}
	above, _ := slices.BinarySearch(bounds, value)
	h.tier = tiers[above]
	return h
}

// gamma draws from a Gamma distribution of scale 1 by Marsaglia and Tsang (2000); shapes below 1 by their boost.
func gamma(r *rand.Rand, shape float64) float64 {
	boost := 1.0
	if shape < 1 {
		boost = math.Pow(r.Float64(), 1/shape)
		shape++
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v *= v * v
		if math.Log(1-r.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return boost * d * v
		}
	}
}

// cell is a text for CSV: quoted where it must be.
func cell(text string) string {
	if !strings.ContainsAny(text, ",\"\r\n") {
		return text
	}
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}
