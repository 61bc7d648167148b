// Breeze, which keeps one entity for each key that `$metadata` names. It reads by datajs, in verbose JSON.

import assert from "node:assert/strict";

export async function decideByBreeze(page, api, tokens) {
    await page.waitForFunction("window.breeze");
    await page.evaluate(connect, api, tokens);
    const names = await page.evaluate(readNames);
    assert.deepEqual(names, ["Backup", "SQL File Access"]);
    const whys = await page.evaluate(fileInOneSecond, api, tokens.jen);
    const seen = await page.evaluate(readPending);
    assert.deepEqual(seen.map(row => row.why).sort(), whys.sort(), "each request of one second is an entity of its own");
    assert.equal(new Set(seen.map(row => row.id)).size, whys.length);
    for (const [index, { id }] of seen.entries()) {
        await page.evaluate(decide, api, tokens.sam, id, index % 2 ? "Reject" : "Approve");
    }
    assert.deepEqual(await page.evaluate(readPending), []);
    const statuses = await page.evaluate(readStatuses, seen.map(row => row.why));
    assert.deepEqual(statuses, seen.map((_, index) => index % 2 ? "Rejected" : "Active"));
    const refused = await page.evaluate(decide, api, tokens.sam, seen[0].id, "Reject").catch(error => error);
    assert.match(String(refused), /403/);
}

// In the page: a manager of entities for the requester, and one for the approver, on the metadata of the API.
async function connect(api, tokens) {
    const manager = async token => {
        OData.defaultHttpClient = window.client(token);
        const manager = new breeze.EntityManager(api);
        await manager.fetchMetadata();
        return manager;
    };
    const plain = OData.defaultHttpClient;
    window.client = token => ({
        request: (request, done, fail) => {
            request.headers.Authorization = `Bearer ${token}`;
            return plain.request(request, done, fail);
        },
    });
    window.tokens = tokens;
    window.jen = await manager(tokens.jen);
    window.sam = await manager(tokens.sam);
    window.load = async (who, query) => {
        OData.defaultHttpClient = window.client(tokens[who]);
        return (await window[who].executeQuery(query)).results;
    };
}

// In the page.
async function readNames() {
    const roles = await load("jen", breeze.EntityQuery.from("pamroles").orderBy("DisplayName"));
    window.approved = roles.find(role => role.ApprovalEnabled).RoleId;
    return roles.map(role => role.DisplayName);
}

// In the page: files requests until two are of the same second, and returns their reasons.
async function fileInOneSecond(api, token) {
    const filed = [];
    const seconds = new Set();
    while (seconds.size === filed.length) {
        const why = `Breeze ${filed.length}`;
        const body = JSON.stringify({ RoleId: window.approved, RequestedTTL: 600, Justification: why });
        const headers = { Authorization: `Bearer ${token}`, "content-type": "application/json" };
        const answer = await fetch(`${api}pamrequests`, { method: "POST", headers, body });
        const { CreationTime } = await answer.json();
        filed.push(why);
        seconds.add(Math.floor(Date.parse(CreationTime) / 1000));
    }
    return filed;
}

// In the page: the entities that wait for the approver, by their keys.
async function readPending() {
    const query = breeze.EntityQuery.from("pamrequeststoapprove")
        .where("Requestor", "eq", "jen").where("RoleName", "eq", "SQL File Access").orderBy("CreationTime");
    const entities = new Set(await load("sam", query));
    return Array.from(entities, entity => ({ id: entity.entityAspect.getKey().values[0], why: entity.Justification }))
        .filter(row => row.why.startsWith("Breeze"));
}

// In the page: an action, by datajs, through which Breeze itself sends what it changes.
function decide(api, token, id, action) {
    OData.defaultHttpClient = window.client(token);
    const request = { method: "POST", requestUri: `${api}pamrequeststoapprove(guid'${id}')/${action}` };
    return new Promise((done, fail) => OData.request(request, done, error => fail(new Error(`status ${error.response?.statusCode}`))));
}

// In the page: what became of the requests.
async function readStatuses(whys) {
    const { Predicate, EntityQuery } = breeze;
    const statuses = [];
    for (const why of whys) {
        const [request] = await load("jen", EntityQuery.from("pamrequests").where(Predicate.create("Justification", "eq", why)));
        statuses.push(request.RequestStatus);
    }
    return statuses;
}
