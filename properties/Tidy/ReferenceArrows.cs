namespace Dma.Properties;

/// <summary>Who may know whom: the plan of the rooms, read from the assemblies.</summary>
public sealed class ReferenceArrows
{
    // Each room with what it may name. A namespace that ends in Spec holds formats; where it stands, the rest of that room is closed.
    private static readonly Dictionary<string, string[]> Plan = new()
    {
        ["Dma.Machine"] = [],
        ["Dma.Iommu"] = ["Dma.Machine"],
        ["Dma.UsbDevice"] = ["Dma.Machine"],
        ["Dma.Hal"] = ["Dma.Machine", "Dma.Iommu.Spec"],
        ["Dma.Vmm"] = ["Dma.Machine", "Dma.Iommu", "Dma.Iommu.Spec", "Dma.Hal", "Dma.Hal.Spec", "Dma.UsbDevice", "Dma.UsbDevice.Spec"],
        ["Dma.Devices"] = ["Dma.Machine"],
        ["Dma.Drivers"] = ["Dma.Machine", "Dma.Hal", "Dma.Hal.Spec", "Dma.UsbDevice.Spec"],
    };

    [Fact]
    public void Every_library_is_in_the_plan() => Assert.Equal(AssemblyFacts.Libraries.Order(), Plan.Keys.Order());

    [Fact]
    public void No_room_names_what_the_plan_does_not_allow() =>
        Assert.Empty(AssemblyFacts.Libraries.SelectMany(name => Violations(AssemblyFacts.Read(name), Plan[name])));

    [Fact]
    public void Each_room_has_one_namespace_and_at_most_one_for_its_formats() =>
        Assert.All(AssemblyFacts.Libraries, name => Assert.Empty(
            AssemblyFacts.Read(name).DefinedNamespaces.Where(space => space.StartsWith("Dma", StringComparison.Ordinal)).Except([name, name + ".Spec"])));

    [Fact]
    public void An_arrow_that_the_plan_does_not_have_is_found()
    {
        // The tests themselves know every room: they are what each of these rules must catch.
        AssemblyFacts tests = AssemblyFacts.Read("Dma.Properties");
        Assert.Contains(Violations(tests, ["Dma.Machine", "Dma.Iommu.Spec"]), found => found.Contains("Dma.Hal", StringComparison.Ordinal));
        Assert.Contains(Violations(tests, ["Dma.Iommu.Spec"]), found => found.Contains("Dma.Iommu.RemappingUnit", StringComparison.Ordinal));
        Assert.DoesNotContain(Violations(tests, ["Dma.Iommu", "Dma.Iommu.Spec"]), found => found.Contains("Dma.Iommu", StringComparison.Ordinal));
    }

    private static IEnumerable<string> Violations(AssemblyFacts assembly, string[] allowed)
    {
        IEnumerable<string> rooms = assembly.References
            .Where(name => name.StartsWith("Dma.", StringComparison.Ordinal) && !allowed.Contains(name) && !allowed.Contains(name + ".Spec"))
            .Select(name => $"{assembly.Name} refers to {name}.");
        IEnumerable<string> types = assembly.Types
            .Where(type => type.Assembly.StartsWith("Dma.", StringComparison.Ordinal) && !allowed.Contains(type.Namespace))
            .Select(type => $"{assembly.Name} names {type.FullName}.");
        return rooms.Concat(types);
    }
}
