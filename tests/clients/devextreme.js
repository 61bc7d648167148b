// DevExtreme's stores for OData, in versions 2 and 3 of the protocol: they read lists, filter and sort them, file requests,
// and call actions.

import assert from "node:assert/strict";

export async function decideByDevExtreme(page, api, tokens) {
    for (const version of [2, 3]) {
        await page.evaluate(connect, api, tokens, version);
        assert.deepEqual(await page.evaluate(readRoles), [["Backup", "3600", false], ["SQL File Access", "7200", true]]);
        for (const why of [`Grid ${version}`, `Grid ${version} again`]) {
            const filed = await page.evaluate(file, why, "2015/07/11 23:40");
            assert.deepEqual([filed.RequestStatus, filed.Justification], ["PendingApproval", why]);
        }
        const pending = await page.evaluate(readPending, `Grid ${version}`);
        assert.deepEqual(pending.map(row => [row.Requestor, row.RequestedTTL]), [["jen", "600"]]);
        await page.evaluate(decide, "Approve", pending[0].id);
        const [rejected] = await page.evaluate(readPending, `Grid ${version} again`);
        await page.evaluate(decide, "Reject", rejected.id);
        assert.equal(rejected.ApprovalId, rejected.id, "the key of a row is the id that decides it");
        assert.deepEqual(await page.evaluate(readPending, `Grid ${version}`), []);
        assert.deepEqual(await page.evaluate(readHistory, version), ["Active", "Rejected"]);
        const closed = await page.evaluate(close);
        assert.equal(closed, "Closed");
        const again = await page.evaluate(decide, "Approve", rejected.id).catch(error => error);
        assert.match(String(again), /no longer pending|decided/);
    }
}

// In the page: the context of the requester and that of the approver, each with the lists of the API.
function connect(url, tokens, version) {
    DevExpress.config({ useLegacyStoreResult: false });
    const context = token => new DevExpress.data.ODataContext({
        url: url.replace(/\/$/, ""),
        version,
        beforeSend: request => { request.headers.Authorization = `Bearer ${token}`; },
        entities: {
            roles: { name: "pamroles", key: "RoleId", keyType: "Guid" },
            requests: { name: "pamrequests", key: "RequestId", keyType: "Guid" },
            pending: { name: "pamrequeststoapprove", key: "ApprovalId", keyType: "Guid" },
        },
    });
    window.jen = context(tokens.jen);
    window.sam = context(tokens.sam);
}

// In the page.
async function readRoles() {
    const roles = await jen.roles.load({ sort: "DisplayName", select: ["RoleId", "DisplayName", "TTL", "ApprovalEnabled"] });
    window.approved = roles.find(role => role.ApprovalEnabled).RoleId;
    return roles.map(role => [role.DisplayName, role.TTL, role.ApprovalEnabled]);
}

// In the page: DevExtreme writes the fields into a body of verbose JSON.
function file(why, start) {
    return jen.requests.insert({
        RoleId: String(window.approved), Justification: why, RequestedTTL: 600, RequestedTime: start,
    });
}

// In the page.
async function readPending(why) {
    const rows = await sam.pending.load({ filter: [["Justification", "=", why], "and", ["Requestor", "=", "jen"]] });
    return rows.map(row => ({ ...row, ApprovalId: String(row.ApprovalId), id: String(row.ApprovalObjectID.Value) }));
}

// In the page: an action, whose path DevExtreme encodes, slash and all.
function decide(action, id) {
    return new Promise((done, fail) => sam.invoke(`pamrequeststoapprove(guid'${id}')/${action}`, {}, "POST").done(done).fail(fail));
}

// In the page: the statuses of what was filed by DevExtreme, in the order of its filing.
async function readHistory(version) {
    const rows = await jen.requests.load({ sort: "CreationTime", filter: ["Justification", ">=", `Grid ${version}`] });
    window.filed = rows.filter(row => row.Justification.startsWith(`Grid ${version}`));
    return window.filed.map(row => row.RequestStatus);
}

// In the page: closes what was approved, by the name of the action in its container, and reads it by its key.
async function close() {
    const id = String(window.filed[0].RequestId);
    await new Promise((done, fail) => jen.invoke(`pamrequests(guid'${id}')/Default.Container.Close`, {}, "POST").done(done).fail(fail));
    return (await jen.requests.byKey(id)).RequestStatus;
}
