-- The duration of an elevation: what time alone does to it, stages, the rules of a role, the client's own name of a request.

-- When time alone will start or end it; null when it has ended. It says which ones are live, too.
ALTER TABLE elevation ADD COLUMN due bigint;
-- The stage of the approval that was open after the last decision, from 0.
ALTER TABLE elevation ADD COLUMN stage bigint NOT NULL DEFAULT 0;
-- The client's own name of the request, and what stands for what was asked under it.
ALTER TABLE elevation ADD COLUMN client_request uuid;
ALTER TABLE elevation ADD COLUMN fingerprint uuid;
ALTER TABLE elevation_past ADD COLUMN due bigint;
ALTER TABLE elevation_past ADD COLUMN stage bigint NOT NULL DEFAULT 0;
ALTER TABLE elevation_past ADD COLUMN client_request uuid;
ALTER TABLE elevation_past ADD COLUMN fingerprint uuid;

UPDATE elevation SET due = CASE state
    WHEN 'Active' THEN expire_time
    WHEN 'PendingApproval' THEN pending_expire_time
    WHEN 'Scheduled' THEN requested_start_time
END;

-- A node of an older version, which does not write it, is refused rather than leave what nobody ends.
ALTER TABLE elevation ADD CHECK ((due IS NULL) = (state IN ('Closed', 'Expired', 'Rejected')));

DROP INDEX elevation_live;
CREATE INDEX elevation_live ON elevation (role, requester_id, since) WHERE due IS NOT NULL;
CREATE INDEX elevation_due ON elevation (due) WHERE due IS NOT NULL;
CREATE INDEX elevation_client_request ON elevation (requester_id, client_request, create_time)
    WHERE client_request IS NOT NULL;

-- What happened to one subject, in order.
CREATE INDEX event_subject ON event (subject, sequence);

-- An empty list of stages when no approval is required; times of day such as 08:00, empty when any will do. The columns
-- of the past come in the same order, since rows are copied as they are.
ALTER TABLE role ADD COLUMN stages jsonb NOT NULL DEFAULT '[]';
ALTER TABLE role ADD COLUMN available_from text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE role ADD COLUMN available_to text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE role ADD COLUMN rules jsonb NOT NULL DEFAULT '{}';
ALTER TABLE role_past ADD COLUMN stages jsonb NOT NULL DEFAULT '[]';
ALTER TABLE role_past ADD COLUMN available_from text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE role_past ADD COLUMN available_to text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE role_past ADD COLUMN rules jsonb NOT NULL DEFAULT '{}';

UPDATE role SET stages = jsonb_build_array(jsonb_build_object('approvers', approvers, 'required_approvals', required_approvals))
    WHERE approvers IS NOT NULL;
UPDATE role_past SET stages = jsonb_build_array(jsonb_build_object('approvers', approvers, 'required_approvals', required_approvals))
    WHERE approvers IS NOT NULL;

ALTER TABLE role DROP COLUMN approvers, DROP COLUMN required_approvals;
ALTER TABLE role_past DROP COLUMN approvers, DROP COLUMN required_approvals;
ALTER TABLE role ADD CHECK ((available_from = '') = (available_to = ''));

ALTER TABLE role_principal ADD COLUMN stage bigint NOT NULL DEFAULT 0; -- 0 for a candidate
ALTER TABLE role_principal DROP CONSTRAINT role_principal_pkey, ADD PRIMARY KEY (principal, part, role, stage);
