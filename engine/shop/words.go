package shop

// A family or given name as it is written and in letters for an e-mail address.
type written struct{ name, letters string }

func chineseFamilies() []written {
	return []written{{"王", "wang"}, {"李", "li"}, {"张", "zhang"}, {"刘", "liu"}, {"陈", "chen"}, {"杨", "yang"}, {"黄", "huang"}, {"赵", "zhao"},
		{"吴", "wu"}, {"周", "zhou"}, {"徐", "xu"}, {"孙", "sun"}, {"马", "ma"}, {"朱", "zhu"}, {"胡", "hu"}, {"郭", "guo"}, {"何", "he"}, {"林", "lin"},
		{"高", "gao"}, {"罗", "luo"}, {"郑", "zheng"}, {"梁", "liang"}, {"谢", "xie"}, {"宋", "song"}, {"唐", "tang"}, {"欧阳", "ouyang"}, {"诸葛", "zhuge"}}
}

func chineseWomen() []written {
	return []written{{"芳", "fang"}, {"娜", "na"}, {"敏", "min"}, {"静", "jing"}, {"秀英", "xiuying"}, {"丽", "li"}, {"艳", "yan"}, {"玲", "ling"},
		{"婷婷", "tingting"}, {"雪", "xue"}, {"欣怡", "xinyi"}, {"梓涵", "zihan"}, {"雨桐", "yutong"}, {"思琪", "siqi"}, {"佳怡", "jiayi"}, {"晓燕", "xiaoyan"}}
}

func chineseMen() []written {
	return []written{{"伟", "wei"}, {"强", "qiang"}, {"磊", "lei"}, {"军", "jun"}, {"洋", "yang"}, {"勇", "yong"}, {"杰", "jie"}, {"涛", "tao"},
		{"浩然", "haoran"}, {"子轩", "zixuan"}, {"宇航", "yuhang"}, {"志强", "zhiqiang"}, {"建国", "jianguo"}, {"俊杰", "junjie"}}
}

func westernFamilies() []written {
	return []written{{"Miller", "miller"}, {"Dubois", "dubois"}, {"García", "garcia"}, {"Müller", "mueller"}, {"O'Brien", "obrien"}, {"Rossi", "rossi"},
		{"Johansson", "johansson"}, {"Novák", "novak"}, {"Smith", "smith"}, {"Kowalska", "kowalska"}, {"van der Berg", "vanderberg"}, {"Silva", "silva"}}
}

func westernWomen() []written {
	return []written{{"Emma", "emma"}, {"Sofía", "sofia"}, {"Zoë", "zoe"}, {"Chloé", "chloe"}, {"Hannah", "hannah"}, {"Mary-Jane", "maryjane"}, {"Ingrid", "ingrid"}}
}

func westernMen() []written {
	return []written{{"Noah", "noah"}, {"José", "jose"}, {"Luca", "luca"}, {"François", "francois"}, {"Søren", "soren"}, {"James", "james"}}
}

// cities with how many customers in a hundred live there.
func cities() []weighted {
	return []weighted{{"Shanghai", 24}, {"Beijing", 16}, {"Guangzhou", 11}, {"Shenzhen", 11}, {"Hangzhou", 9}, {"Chengdu", 8}, {"Nanjing", 6},
		{"Wuhan", 5}, {"Xi'an", 4}, {"Suzhou", 3}, {"Qingdao", 2}, {"Hong Kong", 1}}
}

type weighted struct {
	word   string
	weight int
}

func brands() []string {
	return []string{"Anlan", "Bloom & Co", "Céleste", "Dewdrop", "Evermoor", "Fenghuang", "Grünwald", "Hanabi", "Isola", "Jadeite", "Kestrel", "Lumière"}
}

func categories() []string {
	return []string{"skincare", "makeup", "haircare", "fragrance", "bodycare", "wellness"}
}

func stores() []string {
	return []string{"online", "online", "online", "Nanjing Road", "Xintiandi", "Sanlitun", "Taikoo Hui", "West Lake", "app", "app"}
}

func tagWords() []string {
	return []string{"newsletter", "vip-event", "wechat", "sensitive-skin", "gift-buyer", "parent"}
}
