// What datajs 1.0.3 makes of the lists and of `$metadata`, with the headers that it sends by itself.

import assert from "node:assert/strict";

export async function readByDatajs(page, api, tokens) {
    const types = await page.evaluate(readMetadata, api, tokens.jen);
    assert.deepEqual(types.entities, ["PamRole", "PamRequest", "PendingPamRequest", "SessionInfo"]);
    assert.deepEqual(types.sets, ["pamroles", "pamrequests", "pamrequeststoapprove", "sessioninfo"]);
    assert.deepEqual(types.imports, ["Approve", "Reject", "Close"]);

    const read = (path, who) => page.evaluate(readList, api + path, tokens[who]);
    const [session] = await read("sessioninfo", "jen");
    assert.equal(session.Username, "PRIV\\jen");
    const roles = await read("pamroles", "jen");
    assert.deepEqual(roles.map(role => [role.DisplayName, role.TTL, role.ApprovalEnabled]), [
        ["Backup", "3600", false], ["SQL File Access", "7200", true],
    ]);
    const requests = await read("pamrequests?$filter=Justification eq 'Fifth'", "jen");
    assert.deepEqual(requests.map(request => request.RequestStatus), ["PendingApproval"]);
    assert.match(requests[0].CreationTime, /^a Date of /);
    assert.equal(requests[0].ExpirationTime, "a Date of 0001-01-01T00:00:00.000Z");
    const [pending] = await read("pamrequeststoapprove", "sam");
    assert.deepEqual([pending.Requestor, pending.RequestedTTL], ["jen", "600"]);
    assert.match(pending.ApprovalObjectID.Value, /^[0-9a-f-]{36}$/);
    assert.equal(pending.CreationTime, requests[0].CreationTime);

    const refused = await page.evaluate(readList, `${api}pamrequests?$filter=Nothing eq 1`, tokens.jen).catch(error => error);
    assert.match(String(refused), /400/);
}

// In the page: what datajs reads of `$metadata`.
function readMetadata(api, token) {
    const request = { requestUri: `${api}$metadata`, headers: { Authorization: `Bearer ${token}` } };
    return new Promise((done, fail) => OData.read(request, done, fail, OData.metadataHandler)).then(metadata => {
        window.metadata = metadata;
        const schemas = metadata.dataServices.schema;
        const names = things => things.map(thing => thing.name);
        const [container] = schemas.flatMap(schema => schema.entityContainer ?? []);
        return {
            entities: schemas.flatMap(schema => names(schema.entityType ?? [])),
            sets: names(container.entitySet),
            imports: names(container.functionImport),
        };
    });
}

// In the page: the rows of a list, typed by the metadata, with dates told from texts.
function readList(url, token) {
    const request = { requestUri: url, headers: { Authorization: `Bearer ${token}` } };
    return new Promise((done, fail) => {
        OData.read(request, done, error => fail(new Error(`${error.message} ${error.response?.statusCode}`)),
            undefined, undefined, window.metadata);
    }).then(answer => answer.results.map(row => {
        for (const [name, value] of Object.entries(row)) {
            if (value instanceof Date) row[name] = `a Date of ${value.toISOString()}`;
        }
        return row;
    }));
}
