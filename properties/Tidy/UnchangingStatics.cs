using System.Collections;
using System.Reflection;

namespace Dma.Properties;

/// <summary>Machines run side by side in one process; nothing that changes may be shared between them.</summary>
public sealed class UnchangingStatics
{
    [Fact]
    public void No_library_has_a_static_field_that_changes() =>
        Assert.Empty(AssemblyFacts.Libraries.SelectMany(name => Violations(Assembly.Load(name).GetTypes())));

    [Fact]
    public void A_static_field_that_changes_is_found() =>
        Assert.Equal(
            ["Offender.<Property>k__BackingField", "Offender.Collection", "Offender.Counter"],
            Violations([typeof(Offender)]).Order(StringComparer.Ordinal));

    // What the compiler keeps for itself, such as a delegate of a lambda, is in types whose names no source can have.
    private static IEnumerable<string> Violations(IEnumerable<Type> types) =>
        from type in types
        where !type.Name.StartsWith('<')
        from field in type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
        where !field.IsLiteral && (!field.IsInitOnly || IsCollectionThatChanges(field.FieldType))
        select $"{type.Name}.{field.Name}";

    // Arrays and frozen or read-only types are tables; lists and dictionaries are there to grow.
    private static bool IsCollectionThatChanges(Type type) =>
        !type.IsArray && type.IsClass && typeof(ICollection).IsAssignableFrom(type) && type.Namespace == "System.Collections.Generic";

#pragma warning disable CS0414, CA1823, IDE0044, IDE0051, IDE0052, CA1802 // The rule must find these by themselves; nobody uses them.
    private static class Offender
    {
        internal const int Constant = 1;
        internal static readonly string Name = "x";
        internal static readonly int[] Table = [1];
        internal static readonly List<int> Collection = [];
        private static int Counter = 1;

        internal static int Property { get; set; }

        internal static int Fixed { get; } = Counter;
    }
#pragma warning restore CS0414, CA1823, IDE0044, IDE0051, IDE0052, CA1802
}
