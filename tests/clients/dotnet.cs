// The OData client of .NET 4, System.Data.Services.Client as Mono has it, which reads and writes nothing but Atom of
// version 2. `dotnet.exe API REQUESTER APPROVER ROWS` takes the address of the API, two bearer tokens, and the number of
// requests that wait for the approver, which is more than one answer has. Every step checks what the client reads.

using System;
using System.Collections.Generic;
using System.Data.Services.Client;
using System.Data.Services.Common;
using System.Linq;
using System.Net;
using System.Xml.Linq;

[DataServiceKey("RoleId")]
public class PamRole
{
    public Guid RoleId { get; set; }
    public string DisplayName { get; set; }
    public string Description { get; set; }
    public long TTL { get; set; }
    public DateTime AvailableFrom { get; set; }
    public DateTime AvailableTo { get; set; }
    public bool MFAEnabled { get; set; }
    public bool ApprovalEnabled { get; set; }
    public bool AvailabilityWindowEnabled { get; set; }
}

[DataServiceKey("RequestId")]
public class PamRequest
{
    public Guid RequestId { get; set; }
    public Guid CreatorID { get; set; }
    public string Justification { get; set; }
    public DateTime CreationTime { get; set; }
    public string CreationMethod { get; set; }
    public DateTime ExpirationTime { get; set; }
    public Guid RoleId { get; set; }
    public long RequestedTTL { get; set; }
    public DateTime RequestedTime { get; set; }
    public string RequestStatus { get; set; }
}

public class UniqueIdentifier
{
    public Guid Value { get; set; }
}

[DataServiceKey("ApprovalId")]
public class PendingPamRequest
{
    public string RoleName { get; set; }
    public string Requestor { get; set; }
    public string Justification { get; set; }
    public long RequestedTTL { get; set; }
    public DateTime RequestedTime { get; set; }
    public DateTime CreationTime { get; set; }
    public UniqueIdentifier FIMRequestID { get; set; }
    public UniqueIdentifier RequestorID { get; set; }
    public UniqueIdentifier ApprovalObjectID { get; set; }
    public Guid ApprovalId { get; set; }
}

[DataServiceKey("Username")]
public class SessionInfo
{
    public string Username { get; set; }
}

public static class Program
{
    static Uri api;
    static DataServiceContext jen, sam;

    public static int Main(string[] arguments)
    {
        api = new Uri(arguments[0]);
        jen = Context(arguments[1]);
        sam = Context(arguments[2]);
        var rows = int.Parse(arguments[3]);
        try
        {
            Step("the .NET client reads who calls and the roles", Read);
            Step("it filters by LINQ and by options", Filter);
            Step("it reads single rows by their keys", ReadByKey);
            Step("it saves a request, and knows the answer's values and address", Create);
            Step("it counts and follows the links from page to page", () => Follow(rows));
            Step("it approves, rejects and closes", Decide);
            Step("it shows why something is refused", Refused);
            return 0;
        }
        catch (Exception error)
        {
            Console.Error.WriteLine("failed: {0}", error);
            return 1;
        }
    }

    static void Read()
    {
        Same("PRIV\\jen", jen.CreateQuery<SessionInfo>("sessioninfo").ToList().Single().Username);
        var roles = jen.CreateQuery<PamRole>("pamroles").ToList();
        Same("Backup, SQL File Access", string.Join(", ", roles.Select(role => role.DisplayName)));
        var backup = roles[0];
        Same(3600L, backup.TTL);
        Same(null, backup.Description);
        Same("For J\u00fcrgen & <others>", roles[1].Description);
        Same(DateTime.MinValue, backup.AvailableFrom);
        Same(false, backup.ApprovalEnabled);
        Same(true, roles[1].ApprovalEnabled);
    }

    static void Filter()
    {
        var roles = jen.CreateQuery<PamRole>("pamroles");
        Same("SQL File Access", Role("SQL File Access").DisplayName);
        Same(1, roles.Where(role => role.TTL > 3600 && role.ApprovalEnabled).ToList().Count);
        Same(0, roles.Where(role => role.DisplayName == "O'Brien's").ToList().Count);
        var named = roles.AddQueryOption("$filter", "DisplayName eq 'Backup'").Execute().Single();
        Same("Backup", named.DisplayName);
        var sorted = roles.OrderByDescending(role => role.DisplayName).Skip(1).Take(1).ToList();
        Same("Backup", sorted.Single().DisplayName);
    }

    static void ReadByKey()
    {
        var id = Role("Backup").RoleId;
        Same("Backup", jen.CreateQuery<PamRole>("pamroles").Where(role => role.RoleId == id).ToList().Single().DisplayName);
        var first = sam.CreateQuery<PendingPamRequest>("pamrequeststoapprove").Take(1).ToList().Single();
        var approval = first.ApprovalId;
        var pending = sam.CreateQuery<PendingPamRequest>("pamrequeststoapprove");
        Same(first.Justification, pending.Where(row => row.ApprovalId == approval).ToList().Single().Justification);
    }

    static void Create()
    {
        var before = DateTime.UtcNow.AddSeconds(-5);
        var request = Request("SQL File Access", "Ticket <4711> & \"more\",\r\nJ\u00fcrgen ");
        var answer = Save(request);
        Same(201, answer.StatusCode);
        Same("PendingApproval", request.RequestStatus);
        Same("Ticket <4711> & \"more\",\r\nJ\u00fcrgen ", request.Justification);
        Same(true, request.RequestedTime.ToUniversalTime() > before && request.CreationTime.ToUniversalTime() > before);
        Same(DateTime.MinValue, request.ExpirationTime);
        var address = new Uri(api, "pamrequests(guid'" + request.RequestId + "')");
        Same(address, jen.GetEntityDescriptor(request).EditLink);
        Same(address.ToString(), answer.Headers["location"]);
        Same(request.RequestId, jen.Execute<PamRequest>(address).Single().RequestId);
        var requests = jen.CreateQuery<PamRequest>("pamrequests");
        Same(1, requests.Where(row => row.CreationTime > before && row.RequestStatus == "PendingApproval").ToList().Count);
        // An hour from now, in the client's own zone.
        var later = Request("Backup", null);
        later.RequestedTime = DateTime.Now.AddHours(1);
        Save(later);
        Same("Scheduled", later.RequestStatus);
        Same(null, later.Justification);
    }

    static void Follow(int rows)
    {
        var reader = Context(sam);
        reader.MergeOption = MergeOption.NoTracking;
        var query = reader.CreateQuery<PendingPamRequest>("pamrequeststoapprove").IncludeTotalCount();
        var page = (QueryOperationResponse<PendingPamRequest>)query.Execute();
        var ids = new HashSet<Guid>(page.Select(row => row.ApprovalObjectID.Value));
        Same((long)rows + 1, page.TotalCount);
        Same(10000, ids.Count);
        for (var next = page.GetContinuation(); next != null; next = page.GetContinuation())
        {
            page = reader.Execute(next);
            ids.UnionWith(page.Select(row => row.ApprovalObjectID.Value));
        }
        Same(rows + 1, ids.Count);
    }

    static void Decide()
    {
        var pending = sam.CreateQuery<PendingPamRequest>("pamrequeststoapprove");
        var rows = pending.OrderByDescending(row => row.CreationTime).Take(2).ToList();
        Same("jen", rows[0].Requestor);
        Same(rows[0].ApprovalId, rows[0].ApprovalObjectID.Value);
        Post(sam, sam.GetEntityDescriptor(rows[0]).EditLink + "/Approve");
        Post(sam, sam.GetEntityDescriptor(rows[1]).EditLink + "/Reject");
        var left = pending.OrderByDescending(row => row.CreationTime).Take(1).ToList().Single();
        Same(false, rows.Any(row => row.ApprovalId == left.ApprovalId));
        jen.MergeOption = MergeOption.OverwriteChanges;
        var active = jen.CreateQuery<PamRequest>("pamrequests").Where(row => row.RequestStatus == "Active").ToList().Single();
        Same(true, active.ExpirationTime.ToUniversalTime() > DateTime.UtcNow.AddMinutes(5));
        Post(jen, jen.GetEntityDescriptor(active).EditLink + "/Close");
        var id = active.RequestId;
        jen.CreateQuery<PamRequest>("pamrequests").Where(row => row.RequestId == id).ToList();
        Same("Closed", active.RequestStatus);
    }

    static void Refused()
    {
        Refused(400, "INVALID_ARGUMENT", () => jen.CreateQuery<PamRole>("pamroles").AddQueryOption("$filter", "Nothing eq 1").Execute());
        Refused(401, "UNAUTHENTICATED", () => Context("wrong").CreateQuery<PamRole>("pamroles").Execute());
        var nowhere = new Uri(api, "pamrequests(guid'00000000-0000-0000-0000-000000000000')");
        Refused(403, "ACCESS_DENIED", () => jen.Execute<PamRequest>(nowhere));
        var request = new PamRequest { RoleId = Guid.NewGuid(), RequestedTTL = 600 };
        Refused(403, "ACCESS_DENIED", () => Save(request));
    }

    // The client wraps what the server says in errors of its own.
    static void Refused(int status, string code, Action call)
    {
        try
        {
            call();
        }
        catch (InvalidOperationException error)
        {
            var client = error.InnerException as DataServiceClientException;
            if (client == null)
                throw;
            Same(status, client.StatusCode);
            Same(code, XDocument.Parse(client.Message).Root.Elements().First().Value);
            return;
        }
        throw new Exception("not refused with " + code);
    }

    static PamRole Role(string name)
    {
        return jen.CreateQuery<PamRole>("pamroles").Where(role => role.DisplayName == name).ToList().Single();
    }

    static PamRequest Request(string role, string justification)
    {
        return new PamRequest { RoleId = Role(role).RoleId, RequestedTTL = 600, Justification = justification };
    }

    static OperationResponse Save(PamRequest request)
    {
        jen.AddObject("pamrequests", request);
        try
        {
            return jen.SaveChanges().Single();
        }
        catch
        {
            jen.Detach(request);
            throw;
        }
    }

    // This client has no call for actions: what runs on .NET 4 posts them with the headers of its queries.
    static void Post(DataServiceContext context, string address)
    {
        var request = (HttpWebRequest)WebRequest.Create(address);
        request.Method = "POST";
        request.ContentLength = 0;
        request.Accept = "application/atom+xml,application/xml";
        request.Headers["MaxDataServiceVersion"] = "2.0;NetFx";
        request.Headers["Authorization"] = tokens[context];
        using (var response = (HttpWebResponse)request.GetResponse())
        {
            Same(HttpStatusCode.OK, response.StatusCode);
            Same(0L, response.ContentLength);
            Same("", response.ContentType ?? "");
        }
    }

    static readonly Dictionary<DataServiceContext, string> tokens = new Dictionary<DataServiceContext, string>();

    static DataServiceContext Context(DataServiceContext like)
    {
        return Context(tokens[like].Substring("Bearer ".Length));
    }

    static DataServiceContext Context(string token)
    {
        var context = new DataServiceContext(api);
        tokens[context] = "Bearer " + token;
        context.SendingRequest += (sender, sent) => sent.RequestHeaders["Authorization"] = tokens[context];
        return context;
    }

    static void Step(string name, Action checks)
    {
        Console.WriteLine("- {0}", name);
        checks();
    }

    static void Same(object expected, object found)
    {
        if (!Equals(expected, found))
            throw new Exception(string.Format("expected {0}, found {1}", expected ?? "null", found ?? "null"));
    }
}
