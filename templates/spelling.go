package templates

import (
	"strings"
	"time"
)

// A spelling is how a language writes numbers, amounts and days. Layouts are Go's, of which "January" and the like are
// replaced by the language's own names.
//
// Why a plain space where typographers want one that does not break: it is not in the alphabet of text messages, and one in a
// price would halve what a segment holds.
type spelling struct {
	point, group  string
	before        bool // the currency stands before the amount
	symbols       map[string]string
	months, short []string // from January
	days          []string // from Sunday
	long, full    string   // 22 November 2026; Sunday 22 November 2026
	brief         string   // 22 Nov 2026
	yearless      string   // 22 November
	clock         string
}

// spellingOf is that of a language by its tag, or of what it is a form of. Of a language that is not listed it is that of
// ISO: days as 2026-11-22, currencies by their codes.
func spellingOf(tag string) *spelling {
	tag = NormalTag(tag)
	base, _, _ := strings.Cut(tag, "-")
	switch base {
	case "zh":
		return chinese(tag)
	case "en":
		return english(tag)
	case "ja", "ko":
		return eastern(base)
	case "de", "fr", "es":
		return european(base)
	}
	return &spelling{point: ".", group: ",", before: true, long: "2006-01-02", full: "2006-01-02", brief: "2006-01-02", yearless: "01-02", clock: "15:04"}
}

func chinese(tag string) *spelling {
	s := &spelling{point: ".", group: ",", before: true, long: "2006年1月2日", full: "2006年1月2日Monday", brief: "2006/1/2", yearless: "1月2日", clock: "15:04",
		symbols: map[string]string{"CNY": "¥", "USD": "US$", "EUR": "€", "GBP": "£", "JPY": "JP¥", "HKD": "HK$", "TWD": "NT$", "MOP": "MOP$", "SGD": "S$"},
		months:  strings.Fields("1月 2月 3月 4月 5月 6月 7月 8月 9月 10月 11月 12月"), days: strings.Fields("星期日 星期一 星期二 星期三 星期四 星期五 星期六")}
	s.short = s.months
	if strings.Contains(tag, "hant") || strings.HasSuffix(tag, "-tw") || strings.HasSuffix(tag, "-hk") || strings.HasSuffix(tag, "-mo") {
		s.symbols["CNY"], s.symbols["TWD"] = "CN¥", "$"
		if !strings.HasSuffix(tag, "-tw") {
			s.symbols["TWD"] = "NT$"
		}
	}
	return s
}

func english(tag string) *spelling {
	s := &spelling{point: ".", group: ",", before: true, long: "2 January 2006", full: "Monday 2 January 2006", brief: "2 Jan 2006", yearless: "2 January", clock: "15:04",
		symbols: map[string]string{"USD": "$", "EUR": "€", "GBP": "£"},
		months:  strings.Fields("January February March April May June July August September October November December"),
		short:   strings.Fields("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"),
		days:    strings.Fields("Sunday Monday Tuesday Wednesday Thursday Friday Saturday")}
	if strings.HasSuffix(tag, "-us") {
		s.long, s.full, s.brief, s.yearless, s.clock = "January 2, 2006", "Monday, January 2, 2006", "Jan 2, 2006", "January 2", "3:04 PM"
	}
	return s
}

func eastern(base string) *spelling {
	if base == "ja" {
		return &spelling{point: ".", group: ",", before: true, long: "2006年1月2日", full: "2006年1月2日Monday", brief: "2006/1/2", yearless: "1月2日", clock: "15:04",
			symbols: map[string]string{"JPY": "￥", "CNY": "元", "USD": "$", "EUR": "€", "GBP": "£"},
			months:  strings.Fields("1月 2月 3月 4月 5月 6月 7月 8月 9月 10月 11月 12月"), short: strings.Fields("1月 2月 3月 4月 5月 6月 7月 8月 9月 10月 11月 12月"),
			days: strings.Fields("日曜日 月曜日 火曜日 水曜日 木曜日 金曜日 土曜日")}
	}
	return &spelling{point: ".", group: ",", before: true, long: "2006년 1월 2일", full: "2006년 1월 2일 Monday", brief: "2006. 1. 2.", yearless: "1월 2일", clock: "15:04",
		symbols: map[string]string{"KRW": "₩", "CNY": "CN¥", "JPY": "JP¥", "USD": "US$", "EUR": "€", "GBP": "£"},
		months:  strings.Fields("1월 2월 3월 4월 5월 6월 7월 8월 9월 10월 11월 12월"), short: strings.Fields("1월 2월 3월 4월 5월 6월 7월 8월 9월 10월 11월 12월"),
		days: strings.Fields("일요일 월요일 화요일 수요일 목요일 금요일 토요일")}
}

func european(base string) *spelling {
	s := &spelling{point: ",", symbols: map[string]string{"EUR": "€", "GBP": "£", "USD": "$"}, clock: "15:04"}
	switch base {
	case "de":
		s.group, s.long, s.full, s.brief, s.yearless = ".", "2. January 2006", "Monday, 2. January 2006", "02.01.2006", "2. January"
		s.months = strings.Fields("Januar Februar März April Mai Juni Juli August September Oktober November Dezember")
		s.short = strings.Fields("Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.")
		s.days = strings.Fields("Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag")
	case "fr":
		s.group, s.long, s.full, s.brief, s.yearless = " ", "2 January 2006", "Monday 2 January 2006", "02/01/2006", "2 January"
		s.months = strings.Fields("janvier février mars avril mai juin juillet août septembre octobre novembre décembre")
		s.short = strings.Fields("janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.")
		s.days = strings.Fields("dimanche lundi mardi mercredi jeudi vendredi samedi")
	case "es":
		s.group, s.long, s.full, s.brief, s.yearless = ".", "2 de January de 2006", "Monday, 2 de January de 2006", "2/1/2006", "2 de January"
		s.months = strings.Fields("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre")
		s.short = strings.Fields("ene feb mar abr may jun jul ago sept oct nov dic")
		s.days = strings.Fields("domingo lunes martes miércoles jueves viernes sábado")
	}
	return s
}

// format writes an instant by a layout with the language's names in it.
func (s *spelling) format(at time.Time, layout string) string {
	var out strings.Builder
	for layout != "" {
		at0, word := len(layout), ""
		for _, name := range []string{"January", "Monday", "Jan", "Mon"} {
			if i := strings.Index(layout, name); i >= 0 && i < at0 {
				at0, word = i, name
			}
		}
		out.WriteString(at.Format(layout[:at0]))
		out.WriteString(s.name(at, word))
		layout = layout[at0+len(word):]
	}
	return out.String()
}

// name is the month or day of the week that a word of a layout stands for.
func (s *spelling) name(at time.Time, word string) string {
	list, i := s.months, int(at.Month())-1
	switch word {
	case "":
		return ""
	case "Jan":
		list = s.short
	case "Monday", "Mon":
		list, i = s.days, int(at.Weekday())
	}
	if list == nil {
		return at.Format(word)
	}
	if word == "Mon" && len(list[0]) > 5 && list[0][0] < 0x80 { // Sun, not Sunday
		return string([]rune(list[i])[:3])
	}
	return list[i]
}

// grouped writes a decimal such as -1234.5 with the language's signs: -1,234.5.
func (s *spelling) grouped(decimal string) string {
	minus := ""
	if strings.HasPrefix(decimal, "-") {
		minus, decimal = "-", decimal[1:]
	}
	whole, fraction, has := strings.Cut(decimal, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + s.group + whole[i:]
	}
	if has {
		whole += s.point + fraction
	}
	return minus + whole
}

// amount writes a decimal with its currency.
func (s *spelling) amount(decimal, currency string) string {
	number := s.grouped(decimal)
	if currency == "" {
		return number
	}
	symbol, has := s.symbols[currency]
	switch {
	case !s.before && has:
		return number + " " + symbol
	case !s.before:
		return number + " " + currency
	case !has:
		return currency + " " + number
	case strings.HasPrefix(number, "-"):
		return "-" + symbol + number[1:]
	}
	return symbol + number
}
