package templates

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"beckon/campaigns"

	"github.com/osteele/liquid"
)

// registerFormats gives an engine the filters that print money, numbers, days and times. A part without a language prints
// money and days as parts did before there were languages: what was sent then is read again as it was.
func registerFormats(e *liquid.Engine, l *locale) {
	s := spellingOf(l.language)
	e.RegisterFilter("number", func(value any, decimals func(int64) int64) (string, error) {
		return formatNumber(s, value, decimals(-1))
	})
	e.RegisterFilter("time", func(value any) (string, error) { return formatTime(s, value) })
	if l.language == "" {
		e.RegisterFilter("money", money)
		e.RegisterFilter("date", date)
		return
	}
	e.RegisterFilter("money", func(value any, sign func(string) string) (string, error) {
		return formatMoney(s, value, l.currency, sign("\x00"))
	})
	e.RegisterFilter("date", func(value any, format func(string) string) (string, error) {
		return formatDate(s, value, format("long"))
	})
}

// decimalOf reads a number or a text such as 199.90 exactly; ok is false for nothing at all.
func decimalOf(value any) (number *big.Rat, ok bool, err error) {
	var text string
	switch v := value.(type) {
	case nil:
		return nil, false, nil
	case string:
		if v == "" {
			return nil, false, nil
		}
		text = v
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
	case int, int64:
		text = fmt.Sprint(v)
	}
	if len(text) == 0 || len(text) > 40 || strings.Trim(text, "-.0123456789") != "" {
		return nil, false, fmt.Errorf("%.60v is not a number such as 199.90", value)
	}
	number, is := new(big.Rat).SetString(text)
	if !is {
		return nil, false, fmt.Errorf("%.60v is not a number such as 199.90", value)
	}
	return number, true, nil
}

// formatMoney prints an amount such as 199.90 in the currency: {{ customer.total_spend | money }}. Another sign may be given
// in the currency's place, "" for none. What is finer than the currency's smallest unit is rounded, halves away from zero.
func formatMoney(s *spelling, value any, currency, sign string) (string, error) {
	number, ok, err := decimalOf(value)
	if err != nil || !ok {
		return "", err
	}
	text := number.FloatString(campaigns.MinorDigits(currency))
	if sign == "\x00" {
		return s.amount(text, currency), nil
	}
	if strings.HasPrefix(text, "-") {
		return "-" + sign + s.grouped(text[1:]), nil
	}
	return sign + s.grouped(text), nil
}

// numberDecimalsMax is how many decimals a number may be printed with.
const numberDecimalsMax = 20

// formatNumber prints a number with the language's signs, with so many decimals, -1 for those that it has.
func formatNumber(s *spelling, value any, decimals int64) (string, error) {
	number, ok, err := decimalOf(value)
	if err != nil || !ok {
		return "", err
	}
	if decimals > numberDecimalsMax {
		return "", fmt.Errorf("a number has at most %d decimals", numberDecimalsMax)
	}
	if decimals >= 0 {
		return s.grouped(number.FloatString(int(decimals))), nil
	}
	text := number.FloatString(numberDecimalsMax)
	return s.grouped(strings.TrimSuffix(strings.TrimRight(text, "0"), ".")), nil
}

// formatDate prints a day: long (the default: 2026年11月22日, 22 November 2026), full (with the day of the week), short,
// day_month (without the year), or by a strftime format as date does, with the language's names.
func formatDate(s *spelling, value any, format string) (string, error) {
	at, ok, err := instantOf(value)
	if err != nil || !ok {
		return "", err
	}
	switch format {
	case "long":
		return s.format(at, s.long), nil
	case "full":
		return s.format(at, s.full), nil
	case "short":
		return s.format(at, s.brief), nil
	case "day_month":
		return s.format(at, s.yearless), nil
	}
	if !strings.Contains(format, "%") {
		return "", fmt.Errorf("%q is no format of a date: use long, full, short, day_month or one like %%Y-%%m-%%d", format)
	}
	return strftime(at, format, s)
}

// formatTime prints the time of day, in the zone that the value names.
func formatTime(s *spelling, value any) (string, error) {
	at, ok, err := instantOf(value)
	if err != nil || !ok {
		return "", err
	}
	return s.format(at, s.clock), nil
}

// instantOf reads a time, or a text such as 2026-12-31 or 2026-12-31T09:00:00+08:00; ok is false for nothing at all. There is
// no "now": a message must come out the same again.
func instantOf(value any) (at time.Time, ok bool, err error) {
	switch v := value.(type) {
	case nil:
		return at, false, nil
	case time.Time:
		return v, true, nil
	case string:
		if v == "" {
			return at, false, nil
		}
		if at, err = time.Parse(time.RFC3339, v); err != nil {
			if at, err = time.Parse(time.DateOnly, v); err != nil {
				return at, false, fmt.Errorf("%.60q is not a date such as 2026-12-31", v)
			}
		}
		return at, true, nil
	}
	return at, false, fmt.Errorf("%.60v is not a date such as 2026-12-31", value)
}
