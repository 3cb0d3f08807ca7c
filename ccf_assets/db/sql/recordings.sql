-- Views, functions and triggers of the recording tables. The whole file is run on every upgrade; all of it is idempotent.

CREATE OR REPLACE VIEW ccf.recording_site_region AS
SELECT a.key AS atlas,
       rr.recording_id,
       rr.site_id,
       r.acronym,
       r.region_name,
       rr.region_id,
       rr.hemisphere,
       rr.status,
       rr.x,
       rr.y,
       rr.z,
       s.frame,
       s.reported_region,
       rr.source,
       rr.ccf_id
FROM ccf.recording_region AS rr
JOIN ccf.recording_site AS s USING (recording_id, site_id)
JOIN ccf.atlas AS a USING (ccf_id)
LEFT JOIN ccf.brain_region AS r USING (ccf_id, region_id);

COMMENT ON VIEW ccf.recording_site_region IS
  'Every site with its region by name. WHERE atlas = ''ccf_2017_25um'' gives one row per site; coordinates are CCF µm';

CREATE OR REPLACE FUNCTION ccf.sites_in(region text, atlas text DEFAULT NULL)
RETURNS SETOF ccf.recording_site_region
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
DECLARE
  one integer;
  -- The same rule as in ccf.region_id.
  number bigint := CASE WHEN region ~ '^[0-9]{1,10}$' THEN region::bigint END;
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
  RETURN QUERY
  SELECT v.*
  FROM ccf.recording_site_region AS v
  JOIN ccf.region_ancestor AS inside ON inside.ccf_id = v.ccf_id AND inside.region_id = v.region_id
  JOIN ccf.brain_region AS a ON a.ccf_id = inside.ccf_id AND a.region_id = inside.ancestor_id
  WHERE (a.acronym = region OR a.region_id = number) AND (one IS NULL OR v.ccf_id = one)
  ORDER BY v.ccf_id, v.recording_id, v.site_id;
  IF FOUND THEN
    RETURN;
  END IF;
  -- Nor must one that the atlas does not draw.
  FOR coarser IN
    SELECT i.acronym, i.drawn_as, a.key
    FROM ccf.region_info AS i JOIN ccf.atlas AS a USING (ccf_id)
    WHERE (i.acronym = region OR i.region_id = number) AND (one IS NULL OR i.ccf_id = one) AND i.drawn_as <> i.acronym
    ORDER BY i.ccf_id
  LOOP
    RAISE NOTICE '% is not drawn in %; % is.', coarser.acronym, coarser.key, coarser.drawn_as;
  END LOOP;
END
$$;

COMMENT ON FUNCTION ccf.sites_in(text, text) IS
'The recording sites in a region (exact acronym, or id written as text) or anything inside it: rows of view recording_site_region, in the atlas with this key, or in all atlases. An error if there is no such region or atlas; a notice if the region has no voxel in an atlas, with the nearest that has.

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

-- A site whose coordinates change has no region until it is computed again, which the sensor unregistered_sites
-- requests: it can find a missing row, but not a wrong one.
CREATE OR REPLACE FUNCTION ccf.forget_regions_of_site() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
  DELETE FROM ccf.recording_region WHERE recording_id = OLD.recording_id AND site_id = OLD.site_id;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION ccf.forget_regions_of_site() IS
'Trigger: deletes the regions of a site whose place, frame or source changed, so that they are computed again.';

CREATE OR REPLACE TRIGGER forget_regions
AFTER UPDATE ON ccf.recording_site
FOR EACH ROW
WHEN ((OLD.ap, OLD.dv, OLD.ml, OLD.frame, OLD.source) IS DISTINCT FROM (NEW.ap, NEW.dv, NEW.ml, NEW.frame, NEW.source))
EXECUTE FUNCTION ccf.forget_regions_of_site();

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
WHEN ((OLD.dv_from, OLD.x_ap, OLD.x_dv, OLD.x_ml, OLD.x_0, OLD.y_ap, OLD.y_dv, OLD.y_ml, OLD.y_0,
       OLD.z_ap, OLD.z_dv, OLD.z_ml, OLD.z_0)
      IS DISTINCT FROM
      (NEW.dv_from, NEW.x_ap, NEW.x_dv, NEW.x_ml, NEW.x_0, NEW.y_ap, NEW.y_dv, NEW.y_ml, NEW.y_0,
       NEW.z_ap, NEW.z_dv, NEW.z_ml, NEW.z_0))
EXECUTE FUNCTION ccf.forget_regions_of_frame();

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
