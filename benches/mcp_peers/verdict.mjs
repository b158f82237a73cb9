// classify_incident of opsmedic in JavaScript: the policy `guarded` with its default settings, and the same text.
//
// A level is a number here, 0 for P0 to 3 for P3; NOTHING stands where no level is hit. Limits, names of rules, lines of text and rows that do not
// depend on the evidence are made once, when the module is loaded. What such a row or list holds is shared by all answers: nobody changes an answer.
import { hostname } from 'node:os';

const LEVELS = ['P0', 'P1', 'P2', 'P3'];
const NOTHING = 4;
const MILDEST_FIRST = [NOTHING, 3, 2, 1, 0];
const METRICS = ['error_rate_percent', 'response_time_ms', 'availability_percent', 'affected_users'];
const [ERRORS, LATENCY, AVAILABILITY, USERS] = [0, 1, 2, 3];
const ALL = [ERRORS, LATENCY, AVAILABILITY, USERS];
const HOST = hostname();
const SCOPE = 'the evidence in the call';

// From P0 to P3.
const LIMITS = [[50, 20, 5, 1], [30_000, 10_000, 5_000, 2_000], [90, 95, 98, 99.5], [1_000, 100, 10, 0]];
const DECISIVE_ERRORS = 90;
const DECISIVE_AVAILABILITY = 50;
const DECISIVE = { [ERRORS]: [`>= ${DECISIVE_ERRORS}`, `< ${DECISIVE_ERRORS}`], [AVAILABILITY]: [`< ${DECISIVE_AVAILABILITY}`, `>= ${DECISIVE_AVAILABILITY}`] };
const TEAMS = [['on-call-engineer', 'engineering-lead', 'product-manager'], ['on-call-engineer', 'team-lead'], ['on-call-engineer'], ['engineer']];
const TEAM_TEXTS = TEAMS.map(team => team.join(', '));
const SLA_MINUTES = [5, 15, 60, 240];
const FLOORS = { none: NOTHING, low: NOTHING, medium: NOTHING, high: 2, critical: 1 };

const KEYWORDS = [['down', 'outage', 'critical', '5xx'], ['error', 'timeout', 'failure'], ['slow', 'degraded', 'warning'], ['minor', 'performance', 'optimization']];
const KEYWORDS_ZH = [
    ['宕机', '瘫痪', '不可用', '全部中断', '服务中断', '崩溃'],
    ['错误', '报错', '超时', '失败', '故障'],
    ['缓慢', '变慢', '很慢', '卡顿', '降级', '告警'],
    ['轻微', '性能', '优化']
];
const NEGATIONS = new Set(
    "no not never without none neither nor isn't isnt aren't wasn't weren't doesn't didn't hasn't don't isn’t aren’t wasn’t weren’t doesn’t didn’t hasn’t don’t".split(' ')
);
const REACH_WORDS = 3;
const LEVEL_OF_WORD = new Map(KEYWORDS.flatMap((words, level) => words.flatMap(word => [[word, level], [word + 's', level]])));
const LEVEL_OF_WORD_ZH = new Map(KEYWORDS_ZH.flatMap((words, level) => words.map(word => [word, level])));
const CLAUSES = /[.,;:!?\n()]/;
const WORDS = /[\p{Alphabetic}\p{N}_'’-]+/gu;
const CLAUSES_ZH = /[，。；、,.\n]/;
// Looks ahead only, so that words that overlap are all found.
const WORDS_ZH = new RegExp(`(?=(${[...LEVEL_OF_WORD_ZH.keys()].join('|')}))`, 'gu');
const NEGATED_ZH = /(?:没有|没出现|未出现|未发生|未发现|未见|并未|不是|并非|不再|并无).{0,4}$|[不未无没]$/su;
const NON_ASCII = /[^\x00-\x7f]/;

const RULES = METRICS.map((name, metric) => LIMITS[metric].map(limit => `${name} ${metric === AVAILABILITY ? '<' : '>'} ${limit}`));
// For each level and metric: rule, threshold, and the line of text before and after the value.
const ROWS = LEVELS.map((level, at) =>
    ALL.map(metric => {
        const [rule, threshold] = [RULES[metric][at], LIMITS[metric][at]];
        return { rule, threshold, before: `  - severity=${level} rule=${rule} value=`, missed: ` threshold=${number(threshold)} hit=false\n`, hit: ` threshold=${number(threshold)} hit=true\n` };
    })
);
// For each level, the keyword rule that missed and the one that hit.
const KEYWORD_ROWS = LEVELS.map(severity => [false, true].map(hit => ({ row: { severity, rule: 'keywords', hit }, line: `  - severity=${severity} rule=keywords hit=${hit}\n` })));

// For each metric, by the first and the last of its ranges (mildest first): the changes to each level.
const CONDITIONS = METRICS.map((name, metric) => {
    const down = metric === AVAILABILITY;
    const limits = LIMITS[metric].toReversed().map(limit => (down ? [`< ${limit}`, `>= ${limit}`] : [`> ${limit}`, `<= ${limit}`]));
    if (metric in DECISIVE) limits.push(DECISIVE[metric]);
    const change = (first, last, severity) => {
        const ends = [...(first > 0 ? [limits[first - 1][0]] : []), ...(last < limits.length ? [limits[last][1]] : [])];
        const if_true = ends.map(end => `${name} ${end}`).join(' and ');
        return { row: { if_true, severity }, line: `  - if_true=${if_true} severity=${severity}\n` };
    };
    const ranges = [...limits.keys(), limits.length];
    return ranges.map(first => ranges.map(last => LEVELS.map(level => change(first, last, level))));
});

const MISSING = [
    'failed / all requests of the last 5 minutes, from the load balancer or Prometheus',
    'p95 of the last 5 minutes, in ms; run_health_checks measures one request',
    'share of successful probes; run_health_checks tells whether it answers now',
    'distinct users with failed requests; 0 only if it was counted'
].map((how, metric) => ({ row: { input: METRICS[metric], how }, line: `  - input=${METRICS[metric]} how=${how}\n` }));

const contradiction = (text, ...between) => ({ row: { between, text }, line: `  -\n    between: ${between.join(', ')}\n    text: ${text}\n` });
const UNREACHED = contradiction(
    'low availability with hardly any errors: no traffic arrives, or one of the two is measured in the wrong place',
    'availability_percent',
    'error_rate_percent'
);
const BLIND_PROBE = contradiction('many errors at full availability: the probe may test something that still works', 'error_rate_percent', 'availability_percent');
const NOBODY = contradiction('nobody affected by an outage: the count may be missing rather than zero', 'affected_users');
const ONLY_WORDS = contradiction('the description speaks of serious trouble, the metrics do not: check what they measure', 'description');
const NO_IMPACT = contradiction('no business impact, yet the metrics are serious', 'business_impact');

const HEALTH = { tool: 'run_health_checks', arguments: {}, why: 'how everything is right now' };
const HEALTH_LINE = 'next: run_health_checks {} (how everything is right now)\n';
const leadTo = (issue, playbook) => {
    const call = { tool: 'get_playbook', arguments: { id: playbook }, why: 'the steps for this trouble' };
    const line = `next: get_playbook {"id":"${playbook}"} (the steps for this trouble)\n`;
    return {
        issue,
        playbook,
        issueText: issue ? `issue_type: ${issue}\n` : '',
        determined: { calls: [call], lines: line },
        open: { calls: [HEALTH, call], lines: HEALTH_LINE + line }
    };
};
const FALLBACK = leadTo(undefined, 'incident_response');
// The order in which a metric names issue type and playbook when several hit the same level: an outage explains errors, and errors explain slowness.
const LEADS = [
    [AVAILABILITY, leadTo('service_unavailable', 'service_down')],
    [ERRORS, leadTo('high_error_rate', 'service_down')],
    [LATENCY, leadTo('high_latency', 'high_latency')],
    [USERS, FALLBACK]
];

// A number as opsmedic's text has it: always with a point or an exponent.
function number(value) {
    if (Number.isInteger(value)) return value < 1e16 ? `${value}.0` : value.toExponential();
    return value < 1e-5 ? value.toExponential() : String(value);
}

function negated(words, at) {
    for (let i = Math.max(0, at - REACH_WORDS - 1); i < at; i++) {
        // "not only slow but down" affirms.
        if (NEGATIONS.has(words[i]) && words[i + 1] !== 'only') return true;
    }
    return false;
}

// For each level, whether one of its words stands in the text and is not negated.
function spokenIn(text) {
    const spoken = [0, 0, 0, 0];
    for (const clause of text.toLowerCase().split(CLAUSES)) {
        const words = clause.match(WORDS) ?? [];
        for (let at = 0; at < words.length; at++) {
            const level = LEVEL_OF_WORD.get(words[at]);
            if (level !== undefined && !spoken[level] && !negated(words, at)) spoken[level] = 1;
        }
    }
    if (NON_ASCII.test(text)) {
        for (const clause of text.split(CLAUSES_ZH)) {
            for (const found of clause.matchAll(WORDS_ZH)) {
                if (!NEGATED_ZH.test(clause.slice(0, found.index))) spoken[LEVEL_OF_WORD_ZH.get(found[1])] = 1;
            }
        }
    }
    return spoken;
}

// The worst level that a value hits.
function worstOf(metric, value) {
    const limits = LIMITS[metric];
    if (metric === AVAILABILITY) {
        for (let at = 0; at < 4; at++) if (value < limits[at]) return at;
    } else {
        for (let at = 0; at < 4; at++) if (value > limits[at]) return at;
    }
    return NOTHING;
}

const firstWord = spoken => {
    const at = spoken.indexOf(1);
    return at < 0 ? NOTHING : at;
};

const byImpact = level => ({ level, step: 'business_impact', why: `${LEVELS[level]}: the business impact sets this floor` });

// The level of two metrics or more, the step that set it, and why.
function enough(worst, known, counts, spoken, floor) {
    let verdict = { level: 3, step: 'no_rule', why: 'P3: no rule hit' };
    for (let at = 0; at < 4; at++) {
        // At least half of the known metrics and, where they hit, the keywords; of two metrics the keywords alone are never half.
        if (2 * counts[at] + spoken[at] >= known.length) {
            const hits = known.filter(metric => worst[metric] <= at).map(metric => RULES[metric][at]);
            if (spoken[at]) hits.push('keywords');
            verdict = { level: at, step: 'quorum', why: `${LEVELS[at]}: at least half of its rules hit (${hits.join(', ')})` };
            break;
        }
    }
    let metric = known[0];
    for (const other of known) if (worst[other] < worst[metric]) metric = other;
    if (worst[metric] < NOTHING) {
        const level = Math.min(worst[metric] + 1, 3);
        if (level < verdict.level || verdict.step === 'no_rule') {
            verdict = { level, step: 'single_metric', why: `${LEVELS[level]}: one metric is far out (${METRICS[metric]}), which counts one level below its own` };
        }
    }
    return floor < verdict.level ? byImpact(floor) : verdict;
}

// The same of one metric or none: the worst level that anything points to.
function tooLittle(worst, known, spoken, floor) {
    let level = known.length ? 3 : 2;
    let step = 'no_rule';
    let why = `not determined, too little is known and nothing points anywhere; ${LEVELS[level]} so that somebody looks`;
    let [plausible, source] = known.length ? [worst[known[0]], METRICS[known[0]]] : [NOTHING, ''];
    const word = firstWord(spoken);
    if (word < plausible) [plausible, source] = [word, 'keywords'];
    if (plausible <= level) {
        [level, step] = [plausible, 'worst_plausible'];
        why = `not determined, too little is known; ${LEVELS[level]} is the worst that the evidence points to (${source})`;
    }
    return floor < level || (floor === level && step === 'no_rule') ? byImpact(floor) : { level, step, why };
}

// The level for each range of a metric, mildest first, everything else as it is and nothing decisive.
function levelsOf(metric, worst, known, counts, spoken, floor) {
    if (known.length === 1) {
        const least = Math.min(floor, firstWord(spoken), 3);
        return MILDEST_FIRST.map(hit => Math.min(least, hit));
    }
    // From which level on the others reach the half by themselves, and from which with this metric beside them.
    const own = worst[metric];
    const total = known.length;
    const together = [NOTHING, NOTHING, NOTHING, NOTHING, NOTHING];
    let alone = NOTHING;
    for (let at = 3; at >= 0; at--) {
        const others = counts[at] - (own <= at ? 1 : 0);
        const score = 2 * others + spoken[at];
        together[at] = score + 2 >= total ? at : together[at + 1];
        if (score >= total) alone = at;
    }
    let single = NOTHING;
    for (const other of known) if (other !== metric && worst[other] < single) single = worst[other];
    const least = Math.min(floor, alone, single + 1, 3);
    return MILDEST_FIRST.map(hit => Math.min(least, together[hit], hit + 1));
}

// Which ranges of these metrics give another level.
function wouldChange(movable, worst, known, counts, spoken, floor, level) {
    const found = [];
    for (const metric of movable) {
        const levels = levelsOf(metric, worst, known, counts, spoken, floor);
        if (metric in DECISIVE) levels.push(0);
        const rows = CONDITIONS[metric];
        let first = 0;
        for (let at = 0; at < levels.length; at++) {
            // Neighbours with the same level are one range.
            if (levels[at + 1] === levels[at]) continue;
            if (levels[at] !== level) found.push(rows[first][at][levels[at]]);
            first = at + 1;
        }
    }
    return found;
}

function contradictionsIn(values, worst, known, spoken, impact, determined, level) {
    const [errors, , availability, users] = values;
    const found = [];
    // A comparison with what is not known is false.
    if (availability < 95 && errors <= 1) found.push(UNREACHED);
    if (errors > 20 && availability >= 99.5) found.push(BLIND_PROBE);
    if (users === 0 && (availability < 90 || errors > 50)) found.push(NOBODY);
    if (known.length && (spoken[0] || spoken[1]) && known.every(metric => worst[metric] === NOTHING)) found.push(ONLY_WORDS);
    if (impact === 'none' && determined && level <= 1) found.push(NO_IMPACT);
    return found;
}

// Every rule held against the evidence.
function rulesOf(values, worst, known, described, spoken) {
    const texts = values.map(value => (value === undefined ? '' : number(value)));
    const rows = [];
    let lines = '';
    for (let at = 0; at < 4; at++) {
        for (const metric of known) {
            const rule = ROWS[at][metric];
            const hit = worst[metric] <= at;
            rows.push({ severity: LEVELS[at], rule: rule.rule, value: values[metric], threshold: rule.threshold, hit });
            lines += rule.before + texts[metric] + (hit ? rule.hit : rule.missed);
        }
        if (described) {
            const { row, line } = KEYWORD_ROWS[at][spoken[at]];
            rows.push(row);
            lines += line;
        }
    }
    return [rows, rows.length ? `rules:\n${lines}` : 'rules: none\n'];
}

const rowsOf = found => found.map(({ row }) => row);

function linesOf(name, found) {
    if (!found.length) return `${name}: none\n`;
    let lines = `${name}:\n`;
    for (const { line } of found) lines += line;
    return lines;
}

// Issue type and playbook, as the metric that points to the worst level has them.
function leadOf(worst) {
    let [best, found] = [NOTHING, FALLBACK];
    for (const [metric, lead] of LEADS) if (worst[metric] < best) [best, found] = [worst[metric], lead];
    return found;
}

// The verdict as a structure and as text.
export function classify({ error_rate_percent, response_time_ms, availability_percent, affected_users, business_impact, description }) {
    const values = [error_rate_percent, response_time_ms, availability_percent, affected_users];
    const worst = values.map((value, metric) => (value === undefined ? undefined : worstOf(metric, value)));
    const known = ALL.filter(metric => values[metric] !== undefined);
    if (!known.length && business_impact === undefined && !description?.trim()) {
        throw new Error(`no evidence: give at least one of ${METRICS.join(', ')}, business_impact, description`);
    }
    const spoken = description ? spokenIn(description) : [0, 0, 0, 0];
    const counts = [0, 0, 0, 0];
    for (const metric of known) for (let at = worst[metric]; at < 4; at++) counts[at]++;
    const floor = FLOORS[business_impact] ?? NOTHING;

    const decisive = [];
    if (availability_percent < DECISIVE_AVAILABILITY) decisive.push(AVAILABILITY);
    if (error_rate_percent >= DECISIVE_ERRORS) decisive.push(ERRORS);
    const determined = decisive.length > 0 || known.length >= 2;
    const { level, step, why } = decisive.length
        ? { level: 0, step: 'decisive_signal', why: `P0: a decisive signal (${decisive.map(metric => `${METRICS[metric]} ${DECISIVE[metric][0]}`).join(', ')})` }
        : (determined ? enough(worst, known, counts, spoken, floor) : tooLittle(worst, known, spoken, floor));

    // Where one metric decides, no other changes anything; where two do, neither.
    const movable = decisive.length === 0 ? known : decisive.length === 1 ? decisive : [];
    const against = contradictionsIn(values, worst, known, spoken, business_impact, determined, level);
    const confidence = !determined || against.length >= 2 ? 'low' : known.length === 4 && !against.length ? 'high' : 'medium';
    const rules = rulesOf(values, worst, known, description !== undefined, spoken);
    const missing = MISSING.filter((_, metric) => values[metric] === undefined);
    const changes = wouldChange(movable, worst, known, counts, spoken, floor, level);
    return written(level, determined, confidence, step, why, rules, missing, against, changes, leadOf(worst));
}

// The answer: structure and text.
function written(level, determined, confidence, step, why, [rules, rulesText], missing, against, changes, lead) {
    const next = determined ? lead.determined : lead.open;
    const [severity, minutes] = [LEVELS[level], SLA_MINUTES[level]];
    const respond_by = new Date(Date.now() + minutes * 60_000).toISOString();
    const structure = {
        severity,
        determined,
        confidence,
        policy: 'guarded',
        decided_by: step,
        why,
        rules,
        missing_evidence: rowsOf(missing),
        contradictions: rowsOf(against),
        would_change: rowsOf(changes),
        response_team: TEAMS[level],
        sla_minutes: minutes,
        respond_by,
        playbook: lead.playbook,
        // What is undefined is absent from JSON.
        issue_type: lead.issue,
        host: HOST,
        scope: SCOPE,
        next_calls: next.calls,
        truncated: []
    };
    const text =
        `${severity} (${determined ? 'determined' : 'NOT determined'}): respond within ${minutes} min. ${why}\n` +
        `severity: ${severity}\ndetermined: ${determined}\nconfidence: ${confidence}\npolicy: guarded\ndecided_by: ${step}\nwhy: ${why}\n` +
        rulesText + linesOf('missing_evidence', missing) + linesOf('contradictions', against) + linesOf('would_change', changes) +
        `response_team: ${TEAM_TEXTS[level]}\nsla_minutes: ${minutes}\nrespond_by: ${respond_by}\nplaybook: ${lead.playbook}\n` +
        `${lead.issueText}host: ${HOST}\nscope: ${SCOPE}\ntruncated: none\n${next.lines}`;
    return { structure, text };
}
