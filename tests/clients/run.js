// The portal's page, datajs, DevExtreme and Breeze, in a browser, against the server of a program: `node run.js PROGRAM`.
// Every step checks what the page shows.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { decideByBreeze } from "./breeze.js";
import { readByDatajs } from "./datajs.js";
import { decideByDevExtreme } from "./devextreme.js";
import { open, servePages, startBrowser, startServer } from "./programs.js";

const ROLES = String.raw`
[[role]]
display_name = "Backup"
max_duration = "1h"
candidates = ['PRIV\jen']
approval_required = false

[[role]]
display_name = "SQL File Access"
max_duration = "2h"
candidates = ['PRIV\jen']
approvers = ['PRIV\sam', 'PRIV\kim']
required_approvals = 1
`;
const NEVER = "0001-01-01T00:00:00";

async function main(program) {
    const folder = mkdtempSync(`${tmpdir()}/countersign-clients-`);
    const started = [{ stop: () => rmSync(folder, { recursive: true }) }];
    const start = async starting => {
        const thing = await starting;
        started.push(thing);
        return thing;
    };
    try {
        const pages = await start(servePages());
        const server = await start(startServer(program, folder, {
            people: ["ann", "jen", "sam", "kim"], administrator: "ann", roles: ROLES, origin: pages.origin,
        }));
        const browser = await startBrowser();
        started.push({ stop: () => browser.close() });
        const strangers = await start(servePages());
        await story({ browser, server, origin: pages.origin, foreign: strangers.origin });
    } finally {
        for (const thing of started.reverse()) await thing.stop();
    }
}

async function story({ browser, server: { api, tokens }, origin, foreign }) {
    const portal = (token, from = origin) => open(browser, `${from}/portal.html?api=${api}`, api, token);

    const jen = await portal(tokens.jen);
    await asked(jen);
    const sam = await portal(tokens.sam);
    const kim = await open(browser, `${origin}/portal.html?api=${api}&token=${tokens.kim}`, api);
    await decided(jen, sam, kim);
    await refused(jen, await portal("wrong"));
    await step("the pages ran without an error, and only calls with a header of their own were preflighted", async () => {
        for (const page of [jen, sam, kim]) assert.deepEqual(page.wrong, []);
        for (const page of [jen, sam]) assert.deepEqual(page.preflights, []);
        assert.notDeepEqual(kim.preflights, []);
    });
    await strange(api, jen, sam, () => portal(tokens.sam, foreign));
    await step("datajs reads the lists and what they are made of", async () => {
        const page = await open(browser, `${origin}/datajs.html`, api);
        await readByDatajs(page, api, tokens);
        assert.deepEqual(page.wrong, []);
    });
    await step("DevExtreme reads, filters, files, decides and closes", async () => {
        const page = await open(browser, `${origin}/devextreme.html`, api);
        await decideByDevExtreme(page, api, tokens);
        assert.deepEqual(page.wrong, []);
        assert.notDeepEqual(page.preflights, []);
    });
    await step("Breeze sees two requests of one second as two, and decides each", async () => {
        const page = await open(browser, `${origin}/breeze.html`, api);
        await decideByBreeze(page, api, tokens);
        assert.deepEqual(page.wrong, []);
    });
}

// The requester: her roles, what she asks for, and her history.
async function asked(jen) {
    await step("jen sees who she is and her roles", async () => {
        await settled(jen);
        assert.equal(await text(jen, "#user"), "PRIV\\jen");
        assert.deepEqual(await rows(jen, "#roles"), [["Backup", "3600", "-"], ["SQL File Access", "7200", "-"]]);
        assert.deepEqual(await rows(jen, "#pending"), []);
    });
    await step("she activates a role that nobody approves", async () => {
        const life = { RequestedTTL: "1199.8799999999999", RequestedTime: "2015/07/11 23:40" };
        await ask(jen, "Backup", { Justification: "Ticket 4711", ...life });
        await expires(jen, "Backup", 1199);
    });
    await step("she extends it by a second request", async () => {
        await ask(jen, "Backup", { Justification: "Longer", RequestedTTL: "3600", RequestedTime: "" });
        await expires(jen, "Backup", 3600);
    });
    await step("she deactivates it", async () => {
        await ask(jen, "Backup", { Justification: "", RequestedTTL: "0", RequestedTime: "" });
        assert.deepEqual(await rows(jen, "#roles"), [["Backup", "3600", "-"], ["SQL File Access", "7200", "-"]]);
    });
    await step("she asks for a role that somebody approves", async () => {
        for (const Justification of ["First", "Second", "Third", "Fourth"]) {
            await ask(jen, "SQL File Access", { Justification, RequestedTTL: "7200", RequestedTime: "" });
        }
        assert.deepEqual((await rows(jen, "#roles"))[1], ["SQL File Access", "7200", "-"]);
    });
    await step("she sees her history of a while, and none before", async () => {
        assert.deepEqual(await history(jen, -30, -1), []);
        const shown = await history(jen, -30, 1);
        assert.deepEqual(shown.map(([why, life, , , status]) => [why, life, status]), [
            ["Ticket 4711", "1199", "Closed"], ["Longer", "3600", "Closed"], ["", "Deactivate", "Closed"],
            ...["First", "Second", "Third", "Fourth"].map(why => [why, "7200", "PendingApproval"]),
        ]);
        assert.equal(shown[0][2], "2015-07-12T06:40:00Z");
        assert.deepEqual(shown.slice(3).map(row => row[3]), [NEVER, NEVER, NEVER, NEVER]);
    });
}

// The approvers, and what becomes of what they decide.
async function decided(jen, sam, kim) {
    const pending = whys => whys.map(why => ["SQL File Access", "jen", why, "7200"]);
    await step("the approvers see what is pending", async () => {
        for (const page of [sam, kim]) {
            await settled(page);
            assert.deepEqual(await rows(page, "#pending"), pending(["First", "Second", "Third", "Fourth"]));
        }
    });
    await step("sam approves, and the request is gone at once", async () => {
        await click(sam, "#pending", "First", "Approve");
        assert.equal(await text(sam, "#error"), "");
        assert.deepEqual(await rows(sam, "#pending"), pending(["Second", "Third", "Fourth"]));
    });
    await step("he rejects, and the request is gone at once", async () => {
        await click(sam, "#pending", "Second", "Reject");
        assert.equal(await text(sam, "#error"), "");
        assert.deepEqual(await rows(sam, "#pending"), pending(["Third", "Fourth"]));
    });
    await step("kim, who sees an old list, is told", async () => {
        await click(kim, "#pending", "First", "Reject");
        assert.match(await text(kim, "#error"), /^Status code: 403\. .*no longer pending/);
        assert.equal((await rows(kim, "#pending")).length, 4);
        await click(kim, "#pending", "Fourth", "Approve");
        assert.equal(await text(kim, "#error"), "");
        assert.deepEqual(await rows(kim, "#pending"), pending(["Third"]));
    });
    await step("jen closes what is pending and what is active, and sees which was rejected", async () => {
        await history(jen, -30, 1);
        await click(jen, "#history", "Third", "Close");
        await click(jen, "#history", "Fourth", "Close");
        const shown = await rows(jen, "#history");
        assert.deepEqual(shown.slice(3).map(row => row[4]), ["Active", "Rejected", "Closed", "Closed"]);
        await click(sam, "#pending", "Third", "Approve");
        assert.match(await text(sam, "#error"), /^Status code: 403\. ./);
    });
    await step("what was approved is active", async () => {
        await jen.reload();
        await settled(jen);
        await expires(jen, "SQL File Access", 7200);
        assert.equal((await rows(jen, "#roles"))[0][2], "-");
    });
}

// Errors, with their messages.
async function refused(jen, nobody) {
    await step("a mistake is told in the page", async () => {
        await ask(jen, "Backup", { Justification: "", RequestedTTL: "<b>soon", RequestedTime: "" });
        assert.match(await text(jen, "#error"), /^Status code: 400\. ./);
        assert.doesNotMatch(await text(jen, "#error"), /soon/);
    });
    await step("so is that nobody knows who calls", async () => {
        await settled(nobody);
        assert.match(await text(nobody, "#error"), /^Status code: 401\. ./);
        assert.equal(await text(nobody, "#user"), "");
    });
}

// The same page, for the approver, from an origin that the server does not know.
async function strange(api, jen, sam, open) {
    await step("a page of an origin that is not allowed is shown nothing, and decides nothing", async () => {
        await ask(jen, "SQL File Access", { Justification: "Fifth", RequestedTTL: "600", RequestedTime: "" });
        const [{ ApprovalObjectID }] = await sam.evaluate("list('pamrequeststoapprove')");
        const stranger = await open();
        const url = `${api}pamrequeststoapprove(guid'${ApprovalObjectID.Value}')/Approve`;
        const status = await stranger.evaluate(url => new Promise(done => {
            $.ajax({ type: "POST", url, complete: answer => done(answer.status) });
        }), url);
        await stranger.waitForNetworkIdle();
        assert.equal(status, 0);
        assert.deepEqual([await text(stranger, "#user"), await rows(stranger, "#pending")], ["", []]);
        await sam.reload();
        await settled(sam);
        const [row] = await rows(sam, "#pending");
        assert.deepEqual(row, ["SQL File Access", "jen", "Fifth", "600"]);
    });
}

async function step(name, checks) {
    console.log(`- ${name}`);
    await checks();
}

// Every call of the page has been answered, and those that came of it.
function settled(page) {
    return page.waitForFunction("window.jQuery && jQuery.active === 0").catch(cause => {
        throw new Error(`the page does not settle: ${page.wrong.join("; ")}`, { cause });
    });
}

function text(page, selector) {
    return page.$eval(selector, element => element.textContent);
}

function rows(page, table) {
    return page.$$eval(`${table} tr`, rows => rows.map(row => {
        return Array.from(row.querySelectorAll("td"), cell => cell.textContent);
    }));
}

async function fill(page, form, fields) {
    for (const [name, value] of Object.entries(fields)) {
        await page.$eval(`${form} [name=${name}]`, (input, value) => { input.value = value; }, value);
    }
    await page.click(`${form} button`);
    await settled(page);
}

async function ask(page, role, fields) {
    const find = (options, role) => options.find(option => option.text === role).value;
    const id = await page.$$eval("#ask option", find, role);
    await fill(page, "#ask", { ...fields, RoleId: id });
}

// The rows of the requests that were filed in a time, in days from now.
async function history(page, from, to) {
    const day = days => new Date(Date.now() + days * 86_400_000).toISOString();
    await fill(page, "#between", { from: day(from), to: day(to) });
    return rows(page, "#history");
}

// Clicks the button that stands in the row of a justification.
async function click(page, table, why, label) {
    const button = await page.$(`xpath/.//table[@id="${table.slice(1)}"]//tr[td[.="${why}"]]/button[.="${label}"]`);
    assert.ok(button, `${table} has no row of ${why} with the button ${label}`);
    await button.click();
    await settled(page);
}

// A role that is active ends so many seconds from now, or somewhat less.
async function expires(page, role, seconds) {
    const [, , end] = (await rows(page, "#roles")).find(([name]) => name === role);
    const left = (Date.parse(end) - Date.now()) / 1000;
    assert.ok(left > seconds - 30 && left <= seconds, `${role} expires at ${end}, in ${left} s`);
}

await main(process.argv[2]);
