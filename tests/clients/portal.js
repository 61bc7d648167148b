// A page that calls the API as the PAM sample portal of MIM 2016 does: jQuery 2.1, another origin, credentials by the
// browser, posts of forms or of nothing. `?api=` says where the API is; `&token=` is for a caller who has to name the
// caller himself, which makes his calls preflighted.
"use strict";

const options = new URLSearchParams(location.search);
const token = options.get("token");

function call(type, path, more) {
    const url = options.get("api") + path;
    return $.ajax($.extend({ type, url, xhrFields: { withCredentials: true }, beforeSend: named }, more))
        .done(() => $("#error").empty())
        .fail(answer => {
            const message = answer.responseJSON["odata.error"]["message"]["value"];
            $("#error").html(`Status code: ${answer.status}. ${message}`);
        });
}

function named(request) {
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
}

const list = path => call("GET", path, { dataType: "json" }).then(body => body.value);
const requests = filter => list(`pamrequests?$filter=${filter}`);

// A role is active when any of the requests for it expires later than now; the last one says when.
function showRoles() {
    const now = new Date().toISOString();
    return $.when(list("pamroles"), requests(`ExpirationTime gt datetime'${now}'`)).done((roles, active) => {
        const expires = {};
        for (const request of active) expires[request.RoleId] = request.ExpirationTime;
        show("#roles", roles, ["DisplayName", "TTL", role => expires[role.RoleId] || "-"]);
        $("[name=RoleId]").html(roles.map(role => $("<option>").val(role.RoleId).text(role.DisplayName)));
    });
}

function showHistory() {
    const [from, to] = $("#between").serializeArray().map(input => new Date(input.value).toISOString());
    return requests(`CreationTime gt datetime'${from}' and CreationTime lt datetime'${to}'`).done(rows => {
        show("#history", rows, [
            "Justification",
            row => (row.RequestedTTL === "0" ? "Deactivate" : row.RequestedTTL),
            row => row.RequestedTime.trim(),
            row => row.ExpirationTime.trim(),
            "RequestStatus",
        ], row => [button("Close", `pamrequests(guid'${row.RequestId}')`, showHistory)]);
    });
}

function showPending() {
    return list("pamrequeststoapprove").done(rows => {
        show("#pending", rows, ["RoleName", "Requestor", "Justification", "RequestedTTL"], row => {
            const approval = `pamrequeststoapprove(guid'${row.ApprovalObjectID.Value}')`;
            return [button("Approve", approval, showPending), button("Reject", approval, showPending)];
        });
    });
}

// Posts nothing to an action, and reads the list again at once.
function button(action, entity, after) {
    return $("<button>").text(action).click(() => call("POST", `${entity}/${action}`).done(after));
}

function show(table, rows, columns, buttons) {
    $(table).html(rows.map(row => $("<tr>").append(
        columns.map(column => $("<td>").text(typeof column === "string" ? row[column] : column(row))),
        buttons ? buttons(row) : [],
    )));
}

$("#ask").submit(event => {
    event.preventDefault();
    call("POST", "pamrequests", { data: $("#ask").serialize() }).done(showRoles);
});

$("#between").submit(event => {
    event.preventDefault();
    showHistory();
});

list("sessioninfo").done(value => $("#user").text(value[0].Username));
showRoles();
showPending();
