-- Atlases, regions and their hierarchy. The whole file is run on every upgrade; all of it is idempotent.
--
-- Errors are sentences for the user. Functions run with the caller's rights. A function that takes the acronym of a
-- region also takes its id: a literal in quotes is read as text, a number or a column of ids as bigint.

CREATE OR REPLACE FUNCTION ccf.atlases_there() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
  SELECT coalesce('there are ' || string_agg(format('%s (%s)', a.ccf_id, a.key), ', ' ORDER BY a.ccf_id),
                  'none is loaded yet, run ccf-assets load')
  FROM ccf.atlas AS a
$$;

COMMENT ON FUNCTION ccf.atlases_there() IS
  'The atlases in the database as text, for the error messages of the other functions';

CREATE OR REPLACE FUNCTION ccf.atlas_id(key text) RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog
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

COMMENT ON FUNCTION ccf.atlas_id(text) IS
'The ccf_id of the atlas with this key.

SELECT ccf.atlas_id(''ccf_2017_25um'');  -- 1';

CREATE OR REPLACE FUNCTION ccf.default_atlas() RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog
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

COMMENT ON FUNCTION ccf.default_atlas() IS
'The ccf_id of the finest loaded atlas of CCFv3 2017. Without one, of the finest in the space of the Allen CCF, then of the finest in any other, and of a phantom only if no real atlas is loaded. The commands use it when no atlas is named.

SELECT key FROM ccf.atlas WHERE ccf_id = ccf.default_atlas();  -- ccf_2017_25um';

CREATE OR REPLACE FUNCTION ccf.loaded_atlas(ccf_id integer) RETURNS ccf.atlas
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog
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

COMMENT ON FUNCTION ccf.loaded_atlas(integer) IS
'The row of table atlas for an atlas whose voxels are in the database; an error for any other.

SELECT key, ccf_resolution FROM ccf.loaded_atlas(1);  -- ccf_2017_25um, 25 µm';

CREATE OR REPLACE FUNCTION ccf.region_number(source_id bigint) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT CASE WHEN source_id BETWEEN 0 AND 2147483647 THEN source_id::integer
              WHEN source_id BETWEEN 2147483648 AND 4294967295 THEN (source_id - 4294967296)::integer
              -- A number of the tables stands for itself.
              WHEN source_id BETWEEN -2147483648 AND -1 THEN source_id::integer END;
END;

COMMENT ON FUNCTION ccf.region_number(bigint) IS
'The number in tables (region_id) of an id of an ontology (brain_region.source_id): the id itself, or for ids beyond 2,147,483,647 the negative number with the same 32 bits. NULL for what is no id.

SELECT ccf.region_number(385), ccf.region_number(2906756445);  -- 385, -1388210851';

CREATE OR REPLACE VIEW ccf.region_info AS
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
         WHEN v.voxels > 0 THEN r.acronym
         WHEN v.voxels = 0 THEN (
           SELECT near.acronym
           FROM ccf.region_ancestor AS up
           JOIN ccf.region_volume AS size
             ON size.ccf_id = up.ccf_id AND size.region_id = up.ancestor_id AND size.hemisphere = 'both'
           JOIN ccf.brain_region AS near ON near.ccf_id = up.ccf_id AND near.region_id = up.ancestor_id
           WHERE up.ccf_id = r.ccf_id AND up.region_id = r.region_id AND size.voxels > 0
           ORDER BY up.distance
           LIMIT 1
         )
       END AS drawn_as,
       r.source_id
FROM ccf.brain_region AS r
JOIN ccf.region_parent AS p USING (ccf_id, region_id)
LEFT JOIN ccf.region_volume AS v ON v.ccf_id = r.ccf_id AND v.region_id = r.region_id AND v.hemisphere = 'both';

COMMENT ON VIEW ccf.region_info IS
  'One row per structure: its names, its parent and depth, and its size including everything inside it (both hemispheres; null before region_volume is loaded). drawn_as is the nearest region that has voxels in this atlas: itself, or one that contains it. The ontology is finer than the atlas: 488 of 1,327 structures have no voxel in CCFv3 2017';

COMMENT ON COLUMN ccf.region_info.ccf_id IS 'Number of the atlas';
COMMENT ON COLUMN ccf.region_info.region_id IS 'Number of the structure in tables: its id in the ontology, if that is at most 2,147,483,647';
COMMENT ON COLUMN ccf.region_info.acronym IS 'Acronym; case matters';
COMMENT ON COLUMN ccf.region_info.region_name IS 'The ontology''s safe_name, without commas';
COMMENT ON COLUMN ccf.region_info.full_name IS 'The ontology''s name, with its commas';
COMMENT ON COLUMN ccf.region_info.color_hex IS 'The ontology''s colour, RRGGBB';
COMMENT ON COLUMN ccf.region_info.structure_order IS 'Place in the ontology''s order';
COMMENT ON COLUMN ccf.region_info.parent_id IS 'The structure that it is a part of; the root''s is its own';
COMMENT ON COLUMN ccf.region_info.depth IS 'Steps from the root, which is 0';
COMMENT ON COLUMN ccf.region_info.voxels IS 'Its voxels, everything inside it included; null before region_volume is loaded';
COMMENT ON COLUMN ccf.region_info.volume_mm3 IS 'Its volume, mm³, everything inside it included; null before region_volume is loaded';
COMMENT ON COLUMN ccf.region_info.drawn_as IS 'Acronym of the nearest region that has voxels: itself, or one that contains it';
COMMENT ON COLUMN ccf.region_info.source_id IS 'Its id as the ontology has it';

CREATE OR REPLACE FUNCTION ccf.no_such_region(ccf_id integer, region text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog
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

COMMENT ON FUNCTION ccf.no_such_region(integer, text) IS
'The error message for an unknown region, with similar ones; in any atlas if ccf_id is NULL. For an unknown atlas, the message says so.

SELECT ccf.no_such_region(1, ''VISP'');  -- There is no region ''VISP'' in ccf_2017_25um; VISp differs by case only, and case matters.';

CREATE OR REPLACE FUNCTION ccf.region_id(ccf_id integer, region text) RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
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
$$;

COMMENT ON FUNCTION ccf.region_id(integer, text) IS
'The id of the region with exactly this acronym, or this id written as text. Case matters: CM and cm are two regions. The error for an unknown region names similar ones.

SELECT ccf.region_id(1, ''VISp'');  -- 385';

CREATE OR REPLACE FUNCTION ccf.region_id(ccf_id integer, region bigint) RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog
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

COMMENT ON FUNCTION ccf.region_id(integer, bigint) IS
'This id, if there is such a region; otherwise an error.

SELECT ccf.region_id(1, 385);  -- 385';

CREATE OR REPLACE FUNCTION ccf.region(ccf_id integer, region text) RETURNS SETOF ccf.region_info
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1
SET search_path = pg_catalog
AS $$
DECLARE
  id integer := ccf.region_id(ccf_id, region);
BEGIN
  RETURN QUERY
  SELECT i.* FROM ccf.region_info AS i WHERE i.ccf_id = region.ccf_id AND i.region_id = id;
END
$$;

COMMENT ON FUNCTION ccf.region(integer, text) IS
'The region with exactly this acronym, or this id written as text: one row of view region_info. The error for an unknown region names similar ones.

SELECT region_name, voxels, volume_mm3 FROM ccf.region(1, ''CA1'');  -- Field CA1, 653,391 voxels, 10.209 mm³';

CREATE OR REPLACE FUNCTION ccf.region(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
SET search_path = pg_catalog
AS $$
  SELECT i.*
  FROM ccf.region_info AS i
  WHERE i.ccf_id = region.ccf_id AND i.region_id = ccf.region_id(region.ccf_id, region.region)
$$;

COMMENT ON FUNCTION ccf.region(integer, bigint) IS
'The region with this id: one row of view region_info. An error if there is none.

SELECT acronym, region_name FROM ccf.region(1, 385);  -- VISp, Primary visual area';

CREATE OR REPLACE FUNCTION ccf.children(ccf_id integer, region text) RETURNS SETOF ccf.region_info
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 5
SET search_path = pg_catalog
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

COMMENT ON FUNCTION ccf.children(integer, text) IS
'The regions that this one is divided into, in the ontology''s order; none for a leaf.

SELECT acronym FROM ccf.children(1, ''VISp'');  -- VISp1, VISp2/3, VISp4, VISp5, VISp6a, VISp6b';

CREATE OR REPLACE FUNCTION ccf.children(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
LANGUAGE sql STABLE PARALLEL SAFE ROWS 5
SET search_path = pg_catalog
AS $$
  SELECT * FROM ccf.children(children.ccf_id, children.region::text)
$$;

COMMENT ON FUNCTION ccf.children(integer, bigint) IS
'The same as ccf.children(integer, text), for the region with this id.

SELECT acronym FROM ccf.children(1, 385);  -- VISp1, VISp2/3, VISp4, VISp5, VISp6a, VISp6b';

CREATE OR REPLACE FUNCTION ccf.ancestors(ccf_id integer, region text) RETURNS SETOF ccf.region_info
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog
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

COMMENT ON FUNCTION ccf.ancestors(integer, text) IS
'The region itself and everything that contains it, up to the root. In all SQL functions a region counts as inside itself; Region.ancestors in Python is the same.

SELECT acronym FROM ccf.ancestors(1, ''CA1'');  -- CA1, CA, HIP, HPF, CTXpl, CTX, CH, grey, root';

CREATE OR REPLACE FUNCTION ccf.ancestors(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog
AS $$
  SELECT * FROM ccf.ancestors(ancestors.ccf_id, ancestors.region::text)
$$;

COMMENT ON FUNCTION ccf.ancestors(integer, bigint) IS
'The same as ccf.ancestors(integer, text), for the region with this id.

SELECT acronym FROM ccf.ancestors(1, 382);  -- CA1, CA, HIP, HPF, CTXpl, CTX, CH, grey, root';

CREATE OR REPLACE FUNCTION ccf.descendants(ccf_id integer, region text) RETURNS SETOF ccf.region_info
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20
SET search_path = pg_catalog
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

COMMENT ON FUNCTION ccf.descendants(integer, text) IS
'The region itself and everything inside it, in the ontology''s order: this is what "in VISp" means. The region itself is included because many divided regions also own voxels. Region.descendants in Python is the same.

SELECT acronym FROM ccf.descendants(1, ''VISp'');  -- VISp, VISp1, VISp2/3, VISp4, VISp5, VISp6a, VISp6b';

CREATE OR REPLACE FUNCTION ccf.descendants(ccf_id integer, region bigint) RETURNS SETOF ccf.region_info
LANGUAGE sql STABLE PARALLEL SAFE ROWS 20
SET search_path = pg_catalog
AS $$
  SELECT * FROM ccf.descendants(descendants.ccf_id, descendants.region::text)
$$;

COMMENT ON FUNCTION ccf.descendants(integer, bigint) IS
'The same as ccf.descendants(integer, text), for the region with this id.

SELECT acronym FROM ccf.descendants(1, 385);  -- VISp, VISp1, VISp2/3, VISp4, VISp5, VISp6a, VISp6b';

CREATE OR REPLACE FUNCTION ccf.path_to_root(ccf_id integer, region text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
  SELECT array_agg(up.acronym ORDER BY up.depth) FROM ccf.ancestors(path_to_root.ccf_id, path_to_root.region) AS up
$$;

COMMENT ON FUNCTION ccf.path_to_root(integer, text) IS
'The acronyms from the root down to the region itself.

SELECT array_to_string(ccf.path_to_root(1, ''VISp1''), '' → '');  -- root → grey → CH → CTX → CTXpl → Isocortex → VIS → VISp → VISp1';

CREATE OR REPLACE FUNCTION ccf.path_to_root(ccf_id integer, region bigint) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
  SELECT ccf.path_to_root(path_to_root.ccf_id, path_to_root.region::text)
$$;

COMMENT ON FUNCTION ccf.path_to_root(integer, bigint) IS
'The same as ccf.path_to_root(integer, text), for the region with this id.

SELECT array_to_string(ccf.path_to_root(1, 385), '' → '');  -- root → grey → CH → CTX → CTXpl → Isocortex → VIS → VISp';
