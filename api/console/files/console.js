'use strict';
// The Today page: what ran, what comes next, what needs somebody, and what it caused; all from the public API.

const words = {
  en: {
    skip: 'Skip to content', api: 'API', leave: 'Sign out', enter: 'Sign in', enterHelp: 'Paste an API key. It stays in this browser tab.', key: 'API key',
    enterButton: 'Sign in', today: 'Today', needs: 'What needs you', now: 'Running now', next: 'What comes next', effect: 'What it caused', ran: 'What ran',
    effectHelp: 'Compared with customers who were held out. Each campaign stands for itself: figures of several campaigns are never added.',
    campaign: 'Campaign', when: 'When', audience: 'Audience', heldOut: 'Held out', sent: 'Sent', failed: 'Failed', unknown: 'Unknown', status: 'Status', kind: 'Kind',
    progress: 'Progress', rule: 'Who', conversion: 'Bought more', incremental: 'Extra revenue', redeemed: 'Redeemed', immature: 'Window still open',
    nothingNeeds: 'Nothing. All is well.', nothingNow: 'No run is under way.', nothingNext: 'No campaign is scheduled.', nothingRan: 'Nothing has run yet.',
    nothingEffect: 'No campaign has figures yet.', points: 'points', notYet: 'not yet enough data', wrongKey: 'This key does not open anything here.',
    trouble: 'The service does not answer. Trying again.', runStopped: 'run stopped', unknownMessages: 'messages whose outcome is unknown', importFailed: 'import failed',
    planned: 'planned', selecting: 'finding customers', queueing: 'queueing', sending: 'sending', done: 'done', stopped: 'stopped', once: 'once', recurring: 'recurring',
    noHoldout: 'nobody held out', interval: '95 % interval', imports: {}, reasons: {}
  },
  zh: {
    skip: '跳到内容', api: '接口', leave: '退出', enter: '登录', enterHelp: '粘贴 API 密钥。它只保留在此标签页。', key: 'API 密钥',
    enterButton: '登录', today: '今日', needs: '需要处理', now: '正在运行', next: '接下来', effect: '带来的效果', ran: '最近运行',
    effectHelp: '与特意不发送的对照顾客相比。各活动分别计算，从不相加。',
    campaign: '活动', when: '时间', audience: '人群', heldOut: '对照', sent: '已发送', failed: '失败', unknown: '未知', status: '状态', kind: '类型',
    progress: '进度', rule: '对象', conversion: '多购买', incremental: '增量收入', redeemed: '已核销', immature: '窗口未结束',
    nothingNeeds: '没有，一切正常。', nothingNow: '没有正在运行的任务。', nothingNext: '没有已排期的活动。', nothingRan: '还没有运行过。',
    nothingEffect: '还没有可报告的活动。', points: '个百分点', notYet: '数据尚不足', wrongKey: '此密钥无效。',
    trouble: '服务没有响应，正在重试。', runStopped: '运行已停止', unknownMessages: '条消息结果未知', importFailed: '导入失败',
    planned: '已计划', selecting: '正在选人', queueing: '正在排队', sending: '正在发送', done: '完成', stopped: '已停止', once: '一次', recurring: '周期',
    noHoldout: '没有对照', interval: '95% 区间',
    imports: { customers: '顾客', purchases: '购买', events: '事件', points: '积分', assignments: '分组' },
    reasons: { no_holdout: '没有可以比较的对照顾客', sample_ratio: '各组人数与权重不符', immature: '多数顾客的观察窗口尚未结束', too_small: '有一组的顾客少于两人', too_few: '对照中购买的顾客少于 10 人', no_variance: '有一组的顾客数值全部相同' }
  }
};

let language = (navigator.language || 'en').startsWith('zh') ? 'zh' : 'en';
const t = (name) => words[language][name] || name;
const $ = (id) => document.getElementById(id);
let workspace = { zone: 'UTC', currency: '' };

function element(name, attributes, ...children) {
  const space = ['svg', 'line', 'circle', 'title'].includes(name) ? 'http://www.w3.org/2000/svg' : 'http://www.w3.org/1999/xhtml';
  const made = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

class Refused extends Error {}

async function ask(path) {
  const answer = await fetch(path, { headers: { Authorization: 'Bearer ' + sessionStorage.getItem('key') } });
  if (answer.status === 401 || answer.status === 403) throw new Refused();
  if (!answer.ok) throw new Error(path + ' ' + answer.status);
  return answer.json();
}

const whole = (n) => new Intl.NumberFormat(language).format(n || 0);
const money = (n) => new Intl.NumberFormat(language, { maximumFractionDigits: 0 }).format(n) + ' ' + workspace.currency;
const signed = (n, digits) => new Intl.NumberFormat(language, { signDisplay: 'exceptZero', maximumFractionDigits: digits, minimumFractionDigits: digits }).format(n);
const moment = (text) => text ? new Intl.DateTimeFormat(language, { timeZone: workspace.zone, dateStyle: 'medium', timeStyle: 'short' }).format(new Date(text)) : '';

// table shows rows as a table; a column is [name, isNumber, cell].
function table(target, columns, rows, nothing) {
  target.replaceChildren();
  if (!rows.length) { target.append(element('p', { class: 'empty' }, nothing)); return; }
  const head = element('tr', {}, ...columns.map(([name, number]) => element('th', { scope: 'col', class: number ? 'n' : '' }, t(name))));
  const body = rows.map((row) => element('tr', {}, ...columns.map(([, number, cell]) => element('td', { class: number ? 'n' : '' }, ...[].concat(cell(row))))));
  target.append(element('div', { class: 'wide' }, element('table', {}, element('thead', {}, head), element('tbody', {}, ...body))));
}

// interval draws a value and its interval against zero; the same numbers stand beside it in text.
function interval(value, low, high) {
  const from = Math.min(low, 0), to = Math.max(high, 0), width = (to - from) || 1;
  const x = (n) => 6 + 164 * (n - from) / width;
  return element('svg', { class: 'interval', viewBox: '0 0 176 22', role: 'img', 'aria-label': t('interval') },
    element('line', { class: 'zero', x1: x(0), x2: x(0), y1: 1, y2: 21 }), element('line', { class: 'span', x1: x(low), x2: x(high), y1: 11, y2: 11 }),
    element('circle', { cx: x(value), cy: 11, r: 4 }));
}

function effectRows(reports) {
  const rows = [];
  for (const { campaign, report } of reports) {
    const metric = (of, kind) => report.metrics.find((m) => m.of === of && m.kind === kind) || { lifts: [], arms: [] }; // an imported campaign names its metrics as it likes
    const bought = metric('purchase', 'rate');
    for (const lift of bought.lifts) {
      rows.push({ campaign, report, lift, revenue: metric('revenue', 'mean').lifts.find((l) => l.arm === lift.arm), immature: bought.arms.reduce((sum, arm) => sum + arm.immature, 0) });
    }
  }
  return rows;
}

function conversionCell({ lift }) {
  const a = lift.absolute;
  if (!a) return [t(lift.refused && lift.refused.reason === 'no_holdout' ? 'noHoldout' : 'notYet'), element('span', { class: 'sub' }, lift.refused ? words[language].reasons[lift.refused.reason] || lift.refused.detail : '')];
  return [signed(a.value * 100, 2) + ' ' + t('points'), element('span', { class: 'sub' }, signed(a.low * 100, 2) + ' … ' + signed(a.high * 100, 2)), interval(a.value, a.low, a.high)];
}

function revenueCell({ revenue }) {
  if (!revenue || !revenue.incremental) return [t('notYet')];
  const i = revenue.incremental;
  return [money(i.value), element('span', { class: 'sub' }, money(i.low) + ' … ' + money(i.high)), interval(i.value, i.low, i.high)];
}

function needs(runs, unknown, imports) {
  const list = [];
  for (const run of runs.filter((r) => r.status === 'stopped').slice(0, 5)) list.push([run.name + ': ' + t('runStopped') + ' · ' + moment(run.occurrence), run.reason]);
  if (unknown.length) list.push([(unknown.length >= 1000 ? '1000+' : whole(unknown.length)) + ' ' + t('unknownMessages'), '']);
  const mended = (i) => imports.some((later) => later.kind === i.kind && later.status === 'done' && !later.dry_run && later.started_at > i.started_at);
  for (const failed of imports.filter((i) => i.status === 'failed' && !mended(i)).slice(0, 5)) list.push([(words[language].imports[failed.kind] || failed.kind) + ': ' + t('importFailed') + ' · ' + moment(failed.started_at), failed.error]);
  $('needs').replaceChildren(list.length
    ? element('ul', {}, ...list.map(([title, detail]) => element('li', {}, title, detail ? element('span', { class: 'note' }, ' ' + detail) : null)))
    : element('p', { class: 'empty' }, t('nothingNeeds')));
}

function share(run) {
  const m = run.messages, all = Object.values(m).reduce((sum, n) => sum + n, 0);
  if (run.status === 'selecting') return run.customers ? run.scanned / run.customers : 0;
  return all ? 1 - (m.queued + m.sending) / all : 0;
}

async function refresh() {
  const [space, list, campaigns, unknown, imports] = await Promise.all([ask('v1/workspace'), ask('v1/runs?limit=50'), ask('v1/campaigns?limit=200'),
    ask('v1/messages?status=unknown&limit=1000'), ask('v1/imports?limit=50').catch(() => ({ items: [] }))]);
  workspace = space;
  $('workspace').textContent = space.name + ' · ' + space.zone;
  const byID = new Map(campaigns.items.map((c) => [c.id, c]));
  const runs = list.items.map((run) => ({ ...run, name: (byID.get(run.campaign_id) || { name: run.campaign_id }).name }));
  needs(runs, unknown.items, imports.items);
  table($('now'), [['campaign', false, (r) => r.name], ['status', false, (r) => t(r.status)], ['progress', false, (r) => element('progress', { max: 1, value: share(r) }, Math.round(share(r) * 100) + ' %')],
    ['audience', true, (r) => whole(r.audience)], ['sent', true, (r) => whole(r.messages.sent)]], runs.filter((r) => !['done', 'stopped'].includes(r.status)), t('nothingNow'));
  const coming = campaigns.items.filter((c) => c.next_run_at && ['scheduled', 'active'].includes(c.status)).sort((a, b) => a.next_run_at.localeCompare(b.next_run_at));
  table($('next'), [['when', false, (c) => moment(c.next_run_at)], ['campaign', false, (c) => c.name], ['kind', false, (c) => t(c.kind)], ['rule', false, (c) => element('code', {}, c.rule || '')]], coming, t('nothingNext'));
  table($('ran'), [['when', false, (r) => moment(r.occurrence)], ['campaign', false, (r) => r.name], ['audience', true, (r) => whole(r.audience)], ['heldOut', true, (r) => whole(r.gates.holdout)],
    ['sent', true, (r) => whole(r.messages.sent)], ['failed', true, (r) => whole(r.messages.failed)], ['unknown', true, (r) => whole(r.messages.unknown)],
    ['status', false, (r) => [t(r.status), r.reason ? element('span', { class: 'sub' }, r.reason) : null]]], runs.filter((r) => ['done', 'stopped'].includes(r.status)).slice(0, 20), t('nothingRan'));
  const launched = campaigns.items.filter((c) => c.launched_at || c.kind === 'imported').slice(0, 20);
  const reports = await Promise.all(launched.map(async (campaign) => ({ campaign, report: await ask('v1/campaigns/' + campaign.id + '/report') })));
  table($('effect'), [['campaign', false, (r) => [r.campaign.name, element('span', { class: 'sub' }, r.lift.arm)]], ['conversion', false, conversionCell], ['incremental', false, revenueCell],
    ['redeemed', true, (r) => whole(r.report.redemptions.count)], ['immature', true, (r) => whole(r.immature)]], effectRows(reports), t('nothingEffect'));
  $('clock').textContent = reports.length ? moment(reports[0].report.data_cut_off) : '';
}

function speak() {
  document.documentElement.lang = language;
  document.querySelectorAll('[data-t]').forEach((e) => { e.textContent = t(e.dataset.t); });
  $('language').textContent = language === 'zh' ? 'English' : '中文';
  $('language').lang = language === 'zh' ? 'en' : 'zh';
  document.title = t('today') + ' · Beckon';
}

let timer;
async function show() {
  clearTimeout(timer);
  const signedIn = !!sessionStorage.getItem('key');
  $('enter').hidden = signedIn;
  $('today').hidden = !signedIn;
  $('leave').hidden = !signedIn;
  if (!signedIn) { $('key').focus(); return; }
  try {
    await refresh();
    $('trouble').textContent = '';
  } catch (error) {
    if (error instanceof Refused) { sessionStorage.removeItem('key'); $('enterError').textContent = t('wrongKey'); show(); return; }
    $('trouble').textContent = t('trouble');
  }
  timer = setTimeout(show, 10000);
}

$('enter').addEventListener('submit', (event) => { event.preventDefault(); sessionStorage.setItem('key', $('key').value.trim()); $('key').value = ''; $('enterError').textContent = ''; show(); });
$('leave').addEventListener('click', () => { sessionStorage.removeItem('key'); show(); });
$('language').addEventListener('click', () => { language = language === 'zh' ? 'en' : 'zh'; speak(); show(); });
const carried = new URLSearchParams(location.hash.slice(1)).get('key');
if (carried) { sessionStorage.setItem('key', carried); history.replaceState(null, '', location.pathname); }
speak();
show();
