-- Views, functions and triggers of the recording tables. The whole file is run on every upgrade; all of it is idempotent.

-- A site has a row for each loaded atlas of its space from the moment it is inserted. Not a UNION of registered and waiting sites:
-- as one join it is asked by the keys of sites, and a condition on the region turns it into an inner join that begins
-- at the regions. OFFSET 0 has it looked up once for each atlas, not for each site, whether it is loaded.
CREATE OR REPLACE VIEW ccf.recording_site_region AS
SELECT a.key AS atlas,
       s.recording_id,
       s.site_id,
       r.acronym,
       r.region_name,
       rr.region_id,
       rr.hemisphere,
       coalesce(rr.status, 'not_registered') AS status,
       rr.x,
       rr.y,
       rr.z,
       s.frame,
       s.reported_region,
       s.source,
       a.ccf_id,
       s.site_name,
       s.probe,
       s.shank,
       s.channel,
       s.axial_um,
       s.lateral_um,
       s.kind,
       s.details
FROM ccf.recording_site AS s
JOIN ccf.coordinate_frame AS f ON f.name = s.frame
JOIN (
  SELECT one.ccf_id,
         one.key,
         one.space,
         EXISTS (SELECT FROM ccf.voxel_run AS run WHERE run.ccf_id = one.ccf_id)
           AND EXISTS (SELECT FROM ccf.brain_surface AS top WHERE top.ccf_id = one.ccf_id) AS is_loaded
  FROM ccf.atlas AS one
  OFFSET 0
) AS a ON a.space = f.space
LEFT JOIN ccf.recording_region AS rr
  ON (rr.recording_id, rr.site_id, rr.ccf_id) = (s.recording_id, s.site_id, a.ccf_id)
LEFT JOIN ccf.brain_region AS r ON (r.ccf_id, r.region_id) = (rr.ccf_id, rr.region_id)
WHERE rr.status IS NOT NULL OR a.is_loaded;

COMMENT ON VIEW ccf.recording_site_region IS
  'Every site with its region by name, in each loaded atlas of its space. WHERE atlas = ''ccf_2017_25um'' gives one row per site; coordinates are CCF µm. A site that was just inserted has the status not_registered until its region is computed';

COMMENT ON COLUMN ccf.recording_site_region.atlas IS 'Key of the atlas (atlas.key)';
COMMENT ON COLUMN ccf.recording_site_region.recording_id IS 'Recording (recording_site)';
COMMENT ON COLUMN ccf.recording_site_region.site_id IS 'Number of the site in the recording';
COMMENT ON COLUMN ccf.recording_site_region.acronym IS 'Acronym of the region; null where there is none';
COMMENT ON COLUMN ccf.recording_site_region.region_name IS 'Name of the region, without commas; null where there is none';
COMMENT ON COLUMN ccf.recording_site_region.region_id IS 'Region at the point; null outside the brain, and before it is registered';
COMMENT ON COLUMN ccf.recording_site_region.hemisphere IS 'left or right of the midline; null outside the volume, and in a space without a midline';
COMMENT ON COLUMN ccf.recording_site_region.status IS 'Why there is no region, or assigned: a status of recording_region, or not_registered if that has no row yet';
COMMENT ON COLUMN ccf.recording_site_region.x IS 'AP, CCF µm; null where it is not known';
COMMENT ON COLUMN ccf.recording_site_region.y IS 'DV, CCF µm; null where it is not known';
COMMENT ON COLUMN ccf.recording_site_region.z IS 'ML, CCF µm; null where it is not known';
COMMENT ON COLUMN ccf.recording_site_region.frame IS 'Frame in which the site was given (coordinate_frame.name)';
COMMENT ON COLUMN ccf.recording_site_region.reported_region IS 'Region as reported with the site: id or acronym';
COMMENT ON COLUMN ccf.recording_site_region.source IS 'The file it came from, or the source of rows inserted by SQL';
COMMENT ON COLUMN ccf.recording_site_region.ccf_id IS 'Number of the atlas';
COMMENT ON COLUMN ccf.recording_site_region.site_name IS 'Name of the site; null where its source numbers its sites';
COMMENT ON COLUMN ccf.recording_site_region.probe IS 'Probe that the site is on; null where it is not known';
COMMENT ON COLUMN ccf.recording_site_region.shank IS 'Number of the shank that the site is on; null where it is not known';
COMMENT ON COLUMN ccf.recording_site_region.channel IS 'Number of the channel or electrode; null where it is not known';
COMMENT ON COLUMN ccf.recording_site_region.axial_um IS 'Position along the probe, µm; null where it is not known';
COMMENT ON COLUMN ccf.recording_site_region.lateral_um IS 'Position across the probe, µm; null where it is not known';
COMMENT ON COLUMN ccf.recording_site_region.kind IS 'site; or track, a point traced along a probe, which is no recording site';
COMMENT ON COLUMN ccf.recording_site_region.details IS 'Further columns of its source, by name; null where there are none';

CREATE OR REPLACE FUNCTION ccf.site_number(name text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
-- Half of the numbers of 64 bits, the negative ones: the shift keeps the first bit for the sign.
RETURN -1 - (('x' || encode(substr(sha256(convert_to(name, 'UTF8')), 1, 8), 'hex'))::bit(64) >> 1)::bigint;

COMMENT ON FUNCTION ccf.site_number(text) IS
'The site_id of a site that has a name instead of a number: a negative number made of the name, always the same, and another for every other name (-1 less the first 8 bytes, big endian, of the SHA-256 of the name in UTF-8, shifted right by one bit).

SELECT ccf.site_number(''tip'');  -- -5448230490290800672';

-- An unknown frame is an error that names the known ones; the foreign key's would name only itself. The argument lets the
-- IO manager switch the trigger off together with the foreign keys, which it checks at once for many rows.
CREATE OR REPLACE FUNCTION ccf.check_frame() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog
AS $$
BEGIN
  -- With the owner's rights: who may only insert sites cannot read the frames. So not for a table of one's own.
  -- Where the sites are divided into partitions, the row's is the table.
  IF 'ccf.recording_site'::regclass NOT IN (TG_RELID, coalesce(pg_partition_root(TG_RELID), 0)) THEN
    RAISE EXCEPTION 'ccf.check_frame() is a trigger of ccf.recording_site';
  END IF;
  IF NEW.frame IS NOT NULL AND NOT EXISTS (SELECT FROM ccf.coordinate_frame AS f WHERE f.name = NEW.frame) THEN
    RAISE EXCEPTION 'There is no coordinate frame %; there are %.', quote_nullable(NEW.frame),
      (SELECT string_agg(f.name, ', ' ORDER BY f.name) FROM ccf.coordinate_frame AS f)
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'recording_site_frame_fkey', TABLE = 'recording_site',
        SCHEMA = 'ccf';
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION ccf.check_frame() IS
'Trigger: refuses a site whose coordinate frame is unknown, with the names of those that there are.';

-- AFTER, since COPY writes row by row into a table with a BEFORE trigger; and before the foreign key's own trigger, as
-- they fire in the order of their names and its begins with RI_.
CREATE OR REPLACE TRIGGER "Frame_is_known"
AFTER INSERT OR UPDATE OF frame ON ccf.recording_site
FOR EACH ROW
EXECUTE FUNCTION ccf.check_frame('repeats a foreign key');

CREATE OR REPLACE FUNCTION ccf.sites_in(region text, atlas text DEFAULT NULL)
RETURNS SETOF ccf.recording_site_region
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
DECLARE
  one integer;
  -- The same rule as in ccf.region_id.
  number integer := CASE
    WHEN region ~ '^-?[0-9]{1,10}$' AND NOT EXISTS (SELECT FROM ccf.brain_region AS r WHERE r.acronym = region)
    THEN ccf.region_number(region::bigint)
  END;
  coarser record;
BEGIN
  IF atlas IS NOT NULL THEN
    one := ccf.atlas_id(atlas);
  END IF;
  -- A misspelt region must not look like one without recordings.
  IF NOT EXISTS (
    SELECT FROM ccf.brain_region AS r
    WHERE (r.acronym = region OR r.region_id = number) AND (one IS NULL OR r.ccf_id = one)
  ) THEN
    RAISE EXCEPTION '%', ccf.no_such_region(one, region);
  END IF;
  -- Not from the view, which begins at the sites: only some of them are in the region.
  RETURN QUERY
  SELECT a.key, rr.recording_id, rr.site_id, r.acronym, r.region_name, rr.region_id, rr.hemisphere, rr.status,
         rr.x, rr.y, rr.z, s.frame, s.reported_region, rr.source, rr.ccf_id,
         s.site_name, s.probe, s.shank, s.channel, s.axial_um, s.lateral_um, s.kind, s.details
  FROM ccf.brain_region AS asked
  JOIN ccf.region_ancestor AS inside ON (inside.ccf_id, inside.ancestor_id) = (asked.ccf_id, asked.region_id)
  JOIN ccf.recording_region AS rr ON (rr.ccf_id, rr.region_id) = (inside.ccf_id, inside.region_id)
  JOIN ccf.recording_site AS s ON (s.recording_id, s.site_id) = (rr.recording_id, rr.site_id)
  JOIN ccf.brain_region AS r ON (r.ccf_id, r.region_id) = (rr.ccf_id, rr.region_id)
  JOIN ccf.atlas AS a ON a.ccf_id = rr.ccf_id
  WHERE (asked.acronym = region OR asked.region_id = number) AND (one IS NULL OR asked.ccf_id = one)
    AND s.kind = 'site'
  ORDER BY rr.ccf_id, rr.recording_id, rr.site_id;
  IF FOUND THEN
    RETURN;
  END IF;
  -- Nor must one that the atlas does not draw.
  FOR coarser IN
    SELECT r.acronym, i.drawn_as, a.key
    FROM ccf.brain_region AS r
    JOIN ccf.region_volume AS v USING (ccf_id, region_id)
    JOIN ccf.atlas AS a USING (ccf_id)
    -- Only of a region without a voxel: it takes 10 ms.
    CROSS JOIN LATERAL (
      SELECT drawn_as FROM ccf.region_info WHERE (ccf_id, region_id) = (r.ccf_id, r.region_id) OFFSET 0
    ) AS i
    WHERE (r.acronym = region OR r.region_id = number) AND (one IS NULL OR r.ccf_id = one)
      AND v.hemisphere = 'both' AND v.voxels = 0
    ORDER BY r.ccf_id
  LOOP
    RAISE NOTICE '% is not drawn in %; % is.', coarser.acronym, coarser.key, coarser.drawn_as;
  END LOOP;
END
$$;

COMMENT ON FUNCTION ccf.sites_in(text, text) IS
'The recording sites in a region (exact acronym, or id written as text) or anything inside it: rows of view recording_site_region, in the atlas with this key, or in all atlases; points of tracks are left out. An error if there is no such region or atlas; a notice if the region has no voxel in an atlas, with the nearest that has.

SELECT DISTINCT recording_id FROM ccf.sites_in(''TH'', ''ccf_2017_25um'');';

CREATE OR REPLACE FUNCTION ccf.sites_in(region bigint, atlas text DEFAULT NULL)
RETURNS SETOF ccf.recording_site_region
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
  SELECT * FROM ccf.sites_in(sites_in.region::text, sites_in.atlas)
$$;

COMMENT ON FUNCTION ccf.sites_in(bigint, text) IS
'The same as ccf.sites_in(text, text), for the region with this id.

SELECT DISTINCT recording_id FROM ccf.sites_in(549, ''ccf_2017_25um'');';

-- Filters on atlas, recording, source and probe are applied before the regions are looked up, since every step keeps
-- these together.
CREATE OR REPLACE VIEW ccf.recording_track AS
WITH point AS (
  SELECT a.key, rr.ccf_id, s.recording_id, s.source, s.probe, s.site_id, rr.x, rr.y, rr.z,
         lag(rr.x) OVER track AS from_x,
         lag(rr.y) OVER track AS from_y,
         lag(rr.z) OVER track AS from_z
  FROM ccf.recording_site AS s
  JOIN ccf.recording_region AS rr ON (rr.recording_id, rr.site_id) = (s.recording_id, s.site_id)
  JOIN (
    SELECT one.ccf_id, one.key
    FROM ccf.atlas AS one
    WHERE EXISTS (SELECT FROM ccf.voxel_run AS run WHERE run.ccf_id = one.ccf_id)
      AND EXISTS (SELECT FROM ccf.brain_surface AS top WHERE top.ccf_id = one.ccf_id)
    OFFSET 0
  ) AS a ON a.ccf_id = rr.ccf_id
  WHERE s.kind = 'track' AND rr.x IS NOT NULL AND rr.y IS NOT NULL AND rr.z IS NOT NULL
  WINDOW track AS (PARTITION BY a.key, rr.ccf_id, s.recording_id, s.source, s.probe ORDER BY s.site_id)
), long AS (
  SELECT p.*, sqrt((p.x - p.from_x) ^ 2 + (p.y - p.from_y) ^ 2 + (p.z - p.from_z) ^ 2) AS um
  FROM point AS p
), step AS (
  -- Two points at one place are no step: ccf.regions_along refuses a track without length.
  SELECT l.*, sum(l.um) OVER (
           PARTITION BY l.key, l.ccf_id, l.recording_id, l.source, l.probe ORDER BY l.site_id
         ) - l.um AS start_um
  FROM long AS l
  WHERE l.um >= 0.001
  OFFSET 0
), piece AS (
  SELECT s.key, s.ccf_id, s.recording_id, s.source, s.probe, r.region_id,
         s.start_um + r.entry_um AS entry_um, s.start_um + r.exit_um AS exit_um
  FROM step AS s
  CROSS JOIN LATERAL ccf.regions_along(s.ccf_id, s.from_x, s.from_y, s.from_z, s.x, s.y, s.z) AS r
), numbered AS (
  -- Pieces that follow each other in one region have the same number.
  SELECT p.*,
         row_number() OVER (
           PARTITION BY p.key, p.ccf_id, p.recording_id, p.source, p.probe ORDER BY p.entry_um
         ) - row_number() OVER (
           PARTITION BY p.key, p.ccf_id, p.recording_id, p.source, p.probe, p.region_id ORDER BY p.entry_um
         ) AS number
  FROM piece AS p
), stretch AS (
  SELECT n.key, n.ccf_id, n.recording_id, n.source, n.probe, n.region_id,
         min(n.entry_um) AS entry_um, max(n.exit_um) AS exit_um
  FROM numbered AS n
  GROUP BY n.key, n.ccf_id, n.recording_id, n.source, n.probe, n.region_id, n.number
)
SELECT t.key AS atlas,
       t.recording_id,
       t.probe,
       t.source,
       row_number() OVER (
         PARTITION BY t.key, t.ccf_id, t.recording_id, t.source, t.probe ORDER BY t.entry_um
       ) AS part,
       r.acronym,
       t.region_id,
       r.region_name,
       t.entry_um,
       t.exit_um,
       t.exit_um - t.entry_um AS length_um,
       t.ccf_id
FROM stretch AS t
LEFT JOIN ccf.brain_region AS r ON (r.ccf_id, r.region_id) = (t.ccf_id, t.region_id);

COMMENT ON VIEW ccf.recording_track IS
  'The regions along every track, in each loaded atlas: of the points with kind track of one recording, source and probe, joined by straight lines in the order of site_id, where they enter and leave each region (ccf.regions_along). WHERE atlas = … AND recording_id = … ORDER BY probe, part gives one track after the other; stretches outside the brain have no region. Points whose place is not known are passed over';

COMMENT ON COLUMN ccf.recording_track.atlas IS 'Key of the atlas (atlas.key)';
COMMENT ON COLUMN ccf.recording_track.recording_id IS 'Recording (recording_site)';
COMMENT ON COLUMN ccf.recording_track.probe IS 'Probe that was traced; null where it is not known';
COMMENT ON COLUMN ccf.recording_track.source IS 'The file it came from, or the source of rows inserted by SQL';
COMMENT ON COLUMN ccf.recording_track.part IS 'Number of the stretch along the track, from 1';
COMMENT ON COLUMN ccf.recording_track.acronym IS 'Acronym of the region; null outside the brain';
COMMENT ON COLUMN ccf.recording_track.region_id IS 'Region of the stretch; null outside the brain';
COMMENT ON COLUMN ccf.recording_track.region_name IS 'Name of the region, without commas; null outside the brain';
COMMENT ON COLUMN ccf.recording_track.entry_um IS 'Where the track enters it, µm along the track from its first point';
COMMENT ON COLUMN ccf.recording_track.exit_um IS 'Where the track leaves it, µm along the track from its first point';
COMMENT ON COLUMN ccf.recording_track.length_um IS 'Length of the stretch, µm';
COMMENT ON COLUMN ccf.recording_track.ccf_id IS 'Number of the atlas';

-- Rows are counted when they are written: counting those of ten million sites takes seconds, and the sensors ask
-- every few seconds. A count is never updated but added to, so that two who insert at once need not wait for each
-- other. The triggers fire ALWAYS: the IO manager switches the others off while it inserts many rows.
CREATE OR REPLACE FUNCTION ccf.tally_sites() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog
AS $$
BEGIN
  -- It runs with the owner's rights: nobody may attach it to a table of their own.
  IF TG_RELID <> 'ccf.recording_site'::regclass THEN
    RAISE EXCEPTION 'ccf.tally_sites() is a trigger of ccf.recording_site';
  END IF;
  IF TG_OP = 'TRUNCATE' THEN
    INSERT INTO ccf.recording_tally (source, frame, sites, reporting, changed_at)
    SELECT source, frame, -sum(sites), -sum(reporting), now()
    FROM ccf.recording_tally WHERE registered_in IS NULL GROUP BY source, frame;
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO ccf.recording_tally (source, frame, sites, reporting, changed_at)
    SELECT source, frame, -count(*), -count(reported_region), now() FROM gone GROUP BY source, frame;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO ccf.recording_tally (source, frame, sites, reporting, changed_at)
    SELECT source, frame, count(*), count(reported_region), now() FROM added GROUP BY source, frame;
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION ccf.tally_sites() IS
'Trigger: counts the rows added to and deleted from recording_site by source and frame, in recording_tally.';

CREATE OR REPLACE FUNCTION ccf.tally_regions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog
AS $$
BEGIN
  IF TG_RELID <> 'ccf.recording_region'::regclass THEN
    RAISE EXCEPTION 'ccf.tally_regions() is a trigger of ccf.recording_region';
  END IF;
  IF TG_OP = 'TRUNCATE' THEN
    INSERT INTO ccf.recording_tally (source, registered_in, voxels_of, surface_of, sites, reporting, changed_at)
    SELECT source, registered_in, voxels_of, surface_of, -sum(sites), 0, now()
    FROM ccf.recording_tally WHERE registered_in IS NOT NULL
    GROUP BY source, registered_in, voxels_of, surface_of;
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO ccf.recording_tally (source, registered_in, voxels_of, surface_of, sites, reporting, changed_at)
    SELECT source, ccf_id, voxels_of, surface_of, -count(*), 0, now()
    FROM gone GROUP BY source, ccf_id, voxels_of, surface_of;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO ccf.recording_tally (source, registered_in, voxels_of, surface_of, sites, reporting, changed_at)
    SELECT source, ccf_id, voxels_of, surface_of, count(*), 0, now()
    FROM added GROUP BY source, ccf_id, voxels_of, surface_of;
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION ccf.tally_regions() IS
'Trigger: counts the rows added to and deleted from recording_region by source and load of the atlas, in recording_tally.';

CREATE OR REPLACE TRIGGER count_inserted
AFTER INSERT ON ccf.recording_site
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT
EXECUTE FUNCTION ccf.tally_sites();

ALTER TABLE ccf.recording_site ENABLE ALWAYS TRIGGER count_inserted;

CREATE OR REPLACE TRIGGER count_updated
AFTER UPDATE ON ccf.recording_site
REFERENCING OLD TABLE AS gone NEW TABLE AS added
FOR EACH STATEMENT
EXECUTE FUNCTION ccf.tally_sites();

ALTER TABLE ccf.recording_site ENABLE ALWAYS TRIGGER count_updated;

CREATE OR REPLACE TRIGGER count_deleted
AFTER DELETE ON ccf.recording_site
REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT
EXECUTE FUNCTION ccf.tally_sites();

ALTER TABLE ccf.recording_site ENABLE ALWAYS TRIGGER count_deleted;

CREATE OR REPLACE TRIGGER count_truncated
AFTER TRUNCATE ON ccf.recording_site
FOR EACH STATEMENT
EXECUTE FUNCTION ccf.tally_sites();

ALTER TABLE ccf.recording_site ENABLE ALWAYS TRIGGER count_truncated;

CREATE OR REPLACE TRIGGER count_inserted
AFTER INSERT ON ccf.recording_region
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT
EXECUTE FUNCTION ccf.tally_regions();

ALTER TABLE ccf.recording_region ENABLE ALWAYS TRIGGER count_inserted;

CREATE OR REPLACE TRIGGER count_updated
AFTER UPDATE ON ccf.recording_region
REFERENCING OLD TABLE AS gone NEW TABLE AS added
FOR EACH STATEMENT
EXECUTE FUNCTION ccf.tally_regions();

ALTER TABLE ccf.recording_region ENABLE ALWAYS TRIGGER count_updated;

CREATE OR REPLACE TRIGGER count_deleted
AFTER DELETE ON ccf.recording_region
REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT
EXECUTE FUNCTION ccf.tally_regions();

ALTER TABLE ccf.recording_region ENABLE ALWAYS TRIGGER count_deleted;

CREATE OR REPLACE TRIGGER count_truncated
AFTER TRUNCATE ON ccf.recording_region
FOR EACH STATEMENT
EXECUTE FUNCTION ccf.tally_regions();

ALTER TABLE ccf.recording_region ENABLE ALWAYS TRIGGER count_truncated;

CREATE OR REPLACE VIEW ccf.recording_source AS
SELECT source,
       sum(sites)::bigint AS sites,
       sum(reporting)::bigint AS reporting,
       max(changed_at) AS changed_at
FROM ccf.recording_tally
WHERE registered_in IS NULL
GROUP BY source
HAVING sum(sites) > 0;

COMMENT ON VIEW ccf.recording_source IS
'Every source of recording sites (a file, or what a lab called its inserted rows) with the number of its sites, of those that report a region, and when they last changed. It costs by the number of sources, not of sites';

COMMENT ON COLUMN ccf.recording_source.source IS 'The file, or what a lab called its inserted rows';
COMMENT ON COLUMN ccf.recording_source.sites IS 'How many sites it has';
COMMENT ON COLUMN ccf.recording_source.reporting IS 'Of these, with a reported region';
COMMENT ON COLUMN ccf.recording_source.changed_at IS 'When its sites last changed';

CREATE OR REPLACE FUNCTION ccf.condense_tally() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
  -- Not at once, so that a tick without news writes nothing.
  IF (SELECT count(*) > 100 + 2 * count(DISTINCT (source, frame, registered_in, voxels_of, surface_of))
      FROM ccf.recording_tally) THEN
    WITH condensed AS (DELETE FROM ccf.recording_tally RETURNING *)
    INSERT INTO ccf.recording_tally (source, frame, registered_in, voxels_of, surface_of, sites, reporting, changed_at)
    SELECT source, frame, registered_in, voxels_of, surface_of, sum(sites), sum(reporting), max(changed_at)
    FROM condensed
    GROUP BY source, frame, registered_in, voxels_of, surface_of
    HAVING sum(sites) <> 0 OR sum(reporting) <> 0;
  END IF;
END
$$;

COMMENT ON FUNCTION ccf.condense_tally() IS
'Adds up the rows of recording_tally to one for each source and load of an atlas, once they are many; its sums stay the same. The sensor unregistered_sites calls it.';

CREATE OR REPLACE FUNCTION ccf.recount_sites() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
DECLARE
  t record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('ccf.recount_sites'));
  -- DISABLE TRIGGER ALL and ENABLE TRIGGER ALL, as pg_restore uses them, leave the triggers enabled but not always.
  FOR t IN SELECT tgname, tgrelid::regclass AS of FROM pg_trigger
           WHERE tgfoid IN ('ccf.tally_sites'::regproc, 'ccf.tally_regions'::regproc) AND tgenabled <> 'A' LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', t.of, t.tgname);
  END LOOP;
  -- In one statement, and so as of one moment: nobody need be kept from writing meanwhile.
  INSERT INTO ccf.recording_tally (source, frame, registered_in, voxels_of, surface_of, sites, reporting, changed_at)
  SELECT source, frame, registered_in, voxels_of, surface_of, sum(sites), sum(reporting), now()
  FROM (
    SELECT source, frame, NULL::integer, NULL::bigint, NULL::bigint, count(*), count(reported_region)
    FROM ccf.recording_site GROUP BY source, frame
    UNION ALL
    SELECT source, NULL, ccf_id, voxels_of, surface_of, count(*), 0
    FROM ccf.recording_region GROUP BY source, ccf_id, voxels_of, surface_of
    UNION ALL
    SELECT source, frame, registered_in, voxels_of, surface_of, -sites, -reporting FROM ccf.recording_tally
  ) AS t (source, frame, registered_in, voxels_of, surface_of, sites, reporting)
  GROUP BY source, frame, registered_in, voxels_of, surface_of
  HAVING sum(sites) <> 0 OR sum(reporting) <> 0;
END
$$;

COMMENT ON FUNCTION ccf.recount_sites() IS
'Counts the rows of recording_site and recording_region again and puts recording_tally right. Needed only after rows were restored alone (pg_restore --data-only), or written while triggers were disabled.

SELECT ccf.recount_sites();';

-- For all that is there already. The triggers above hold off other writers until the upgrade is committed.
SELECT ccf.recount_sites();

-- A site whose coordinates change has no region until it is computed again, which the sensor unregistered_sites
-- requests: it can find a missing row, but not a wrong one. Once per statement: a million changed sites take one
-- DELETE, not a million.
CREATE OR REPLACE FUNCTION ccf.forget_regions_of_sites() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
  -- Planned anew each time: the plan for one site, kept by the session, would compare each of many sites with each.
  EXECUTE '
    DELETE FROM ccf.recording_region AS rr
    USING before AS o
    JOIN after AS n USING (recording_id, site_id)
    WHERE (rr.recording_id, rr.site_id) = (o.recording_id, o.site_id)
      AND (o.ap, o.dv, o.ml, o.frame, o.source) IS DISTINCT FROM (n.ap, n.dv, n.ml, n.frame, n.source)';
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION ccf.forget_regions_of_sites() IS
'Trigger: deletes the regions of sites whose place, frame or source changed, so that they are computed again.';

CREATE OR REPLACE TRIGGER forget_regions
AFTER UPDATE ON ccf.recording_site
REFERENCING OLD TABLE AS before NEW TABLE AS after
FOR EACH STATEMENT
EXECUTE FUNCTION ccf.forget_regions_of_sites();

DROP FUNCTION IF EXISTS ccf.forget_regions_of_site();

CREATE OR REPLACE FUNCTION ccf.forget_regions_of_frame() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
  DELETE FROM ccf.recording_region AS rr
  USING ccf.recording_site AS s
  WHERE s.frame = OLD.name AND (rr.recording_id, rr.site_id) = (s.recording_id, s.site_id);
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION ccf.forget_regions_of_frame() IS
'Trigger: deletes the regions of the sites of a frame that changed, so that they are computed again.';

CREATE OR REPLACE TRIGGER forget_regions
AFTER UPDATE ON ccf.coordinate_frame
FOR EACH ROW
WHEN ((OLD.space, OLD.dv_from, OLD.x_ap, OLD.x_dv, OLD.x_ml, OLD.x_0, OLD.y_ap, OLD.y_dv, OLD.y_ml, OLD.y_0,
       OLD.z_ap, OLD.z_dv, OLD.z_ml, OLD.z_0)
      IS DISTINCT FROM
      (NEW.space, NEW.dv_from, NEW.x_ap, NEW.x_dv, NEW.x_ml, NEW.x_0, NEW.y_ap, NEW.y_dv, NEW.y_ml, NEW.y_0,
       NEW.z_ap, NEW.z_dv, NEW.z_ml, NEW.z_0))
EXECUTE FUNCTION ccf.forget_regions_of_frame();

CREATE OR REPLACE FUNCTION ccf.forget_regions_of_space() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
  DELETE FROM ccf.recording_region AS rr USING ccf.atlas AS a WHERE a.space = OLD.name AND rr.ccf_id = a.ccf_id;
  DELETE FROM ccf.region_volume AS v USING ccf.atlas AS a WHERE a.space = OLD.name AND v.ccf_id = a.ccf_id;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION ccf.forget_regions_of_space() IS
'Trigger: deletes the regions of sites, and the sizes of regions, in a space whose midline changed, so that they and their sides are computed again.';

CREATE OR REPLACE TRIGGER forget_regions
AFTER UPDATE ON ccf.reference_space
FOR EACH ROW
WHEN (OLD.midline_um IS DISTINCT FROM NEW.midline_um)
EXECUTE FUNCTION ccf.forget_regions_of_space();

CREATE OR REPLACE FUNCTION ccf.forget_regions_of_atlas() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
  DELETE FROM ccf.recording_region AS rr WHERE rr.ccf_id = OLD.ccf_id;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION ccf.forget_regions_of_atlas() IS
'Trigger: deletes the regions of sites in an atlas that was moved to another space, where these sites are not.';

CREATE OR REPLACE TRIGGER forget_regions
AFTER UPDATE ON ccf.atlas
FOR EACH ROW
WHEN (OLD.space IS DISTINCT FROM NEW.space)
EXECUTE FUNCTION ccf.forget_regions_of_atlas();

-- A number stays that of its atlas also after this was dropped: tables that a lab made or exported may name it.
CREATE OR REPLACE FUNCTION ccf.keep_atlas_number() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog
AS $$
DECLARE
  taken ccf.atlas_number;
BEGIN
  IF TG_RELID <> 'ccf.atlas'::regclass THEN
    RAISE EXCEPTION 'ccf.keep_atlas_number() is a trigger of ccf.atlas';
  END IF;
  INSERT INTO ccf.atlas_number (ccf_id, key) VALUES (NEW.ccf_id, NEW.key) ON CONFLICT DO NOTHING;
  SELECT n.* INTO taken FROM ccf.atlas_number AS n
  WHERE (n.ccf_id = NEW.ccf_id OR n.key = NEW.key) AND (n.ccf_id, n.key) <> (NEW.ccf_id, NEW.key) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'The atlas % cannot have ccf_id %: in this database % has ccf_id %, for ever.',
      NEW.key, NEW.ccf_id, taken.key, taken.ccf_id;
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION ccf.keep_atlas_number() IS
'Trigger: records the number and the key of every atlas in atlas_number, and refuses one whose number or key is another''s.';

CREATE OR REPLACE TRIGGER keep_number
AFTER INSERT OR UPDATE OF ccf_id, key ON ccf.atlas
FOR EACH ROW
EXECUTE FUNCTION ccf.keep_atlas_number();

-- Reported regions that change or are deleted have to be compared again, which the sensor unregistered_sites requests;
-- new ones are compared when the regions of their sites are computed. If a source has no report left, its comparison
-- stays, by which the sensor finds that the comparison and its check have to be removed. The triggers run once per
-- statement, not once per row.
CREATE OR REPLACE FUNCTION ccf.forget_agreement_of_deleted() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
  DELETE FROM ccf.recording_agreement AS a
  WHERE a.source IN (SELECT c.source FROM gone AS c WHERE c.reported_region IS NOT NULL)
    AND EXISTS (SELECT FROM ccf.recording_site AS s WHERE s.source = a.source AND s.reported_region IS NOT NULL);
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION ccf.forget_agreement_of_deleted() IS
'Trigger: deletes the comparison of reported regions of a source that loses sites, so that it is made again.';

CREATE OR REPLACE TRIGGER forget_agreement_of_deleted
AFTER DELETE ON ccf.recording_site
REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT
EXECUTE FUNCTION ccf.forget_agreement_of_deleted();

CREATE OR REPLACE FUNCTION ccf.forget_agreement_of_changed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
  DELETE FROM ccf.recording_agreement AS a
  WHERE a.source IN (
    SELECT coalesce(o.source, n.source)
    FROM before AS o
    FULL JOIN after AS n USING (recording_id, site_id, source, reported_region)
    WHERE (o.source IS NULL OR n.source IS NULL) AND reported_region IS NOT NULL
  )
    AND EXISTS (SELECT FROM ccf.recording_site AS s WHERE s.source = a.source AND s.reported_region IS NOT NULL);
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION ccf.forget_agreement_of_changed() IS
'Trigger: deletes the comparison of reported regions of a source if one of them was changed, so that it is made again.';

CREATE OR REPLACE TRIGGER forget_agreement_of_changed
AFTER UPDATE ON ccf.recording_site
REFERENCING OLD TABLE AS before NEW TABLE AS after
FOR EACH STATEMENT
EXECUTE FUNCTION ccf.forget_agreement_of_changed();

-- The findings about rows inserted by SQL are made by a check that no run repeats once its source has no rows. Those of a
-- file stay with it: a refused one has findings and no site.
CREATE OR REPLACE FUNCTION ccf.forget_findings_of_gone() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
  DELETE FROM ccf.recording_finding AS f
  WHERE f.source IN (SELECT g.source FROM gone AS g)
    AND NOT EXISTS (SELECT FROM ccf.recording_site AS s WHERE s.source = f.source)
    AND NOT EXISTS (SELECT FROM ccf.recording_file AS r WHERE r.source = f.source);
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION ccf.forget_findings_of_gone() IS
'Trigger: deletes the findings about rows inserted by SQL when the last row of their source is deleted or gets another source.';

CREATE OR REPLACE TRIGGER forget_findings_of_deleted
AFTER DELETE ON ccf.recording_site
REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT
EXECUTE FUNCTION ccf.forget_findings_of_gone();

CREATE OR REPLACE TRIGGER forget_findings_of_changed
AFTER UPDATE ON ccf.recording_site
REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT
EXECUTE FUNCTION ccf.forget_findings_of_gone();
