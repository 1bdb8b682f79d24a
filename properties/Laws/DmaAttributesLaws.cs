using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>What a request carries comes out as it went in, and nothing of it touches anything else.</summary>
public sealed class DmaAttributesLaws
{
    [Fact]
    public void Each_attribute_is_kept_beside_all_others() =>
        Property.Check(Attributes().ToArbitrary(), given =>
        {
            DmaAttributes attributes = new(given.Type) { Pasid = given.Pasid, Execute = given.Execute, Privileged = given.Privileged, Atomic = given.Atomic };
            Assert.Equal(given, new(attributes.AddressType, attributes.Pasid, attributes.Execute, attributes.Privileged, attributes.Atomic));
            DmaAttributes otherOrder = new() { Atomic = given.Atomic, Privileged = given.Privileged, Execute = given.Execute, Pasid = given.Pasid, AddressType = given.Type };
            Assert.Equal(attributes, otherOrder);
            Assert.Equal(given == default, attributes == default);
            Assert.Null((attributes with { Pasid = null }).Pasid);
        });

    [Fact]
    public void A_PASID_of_more_than_20_bits_does_not_fit() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new DmaAttributes { Pasid = new(1 << 20) });

    private static Gen<Given> Attributes() =>
        from type in Gen.Elements(Enum.GetValues<AddressType>())
        from pasid in Gen.Frequency<Pasid?>(
            (1, Gen.Constant<Pasid?>(null)), (1, Gen.Constant<Pasid?>(new(0))), (3, Gen.Choose(0, (1 << 20) - 1).Select(value => (Pasid?)new Pasid((uint)value))))
        from flags in Gen.Choose(0, 7)
        select new Given(type, pasid, (flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0);

    private readonly record struct Given(AddressType Type, Pasid? Pasid, bool Execute, bool Privileged, bool Atomic);
}
