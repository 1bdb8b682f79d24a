using Dma.Drivers;
using Dma.UsbDevice.Spec;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class UsbConfigurationTests
{
    [Fact]
    public void Bytes_of_any_kind_are_read_or_refused_and_never_throw() => Property.Check(
        from head in Gen.Elements<byte>(0, 2, 9, 10, 255)
        from type in Gen.Elements<byte>(1, 2, 4, 5)
        from total in Gen.Choose(0, 80)
        from rest in Gen.Choose(0, 255).Select(value => (byte)(value % 11)).ArrayOf()
        select (byte[])[head, type, (byte)total, 0, .. rest],
        bytes =>
        {
            if (!UsbConfiguration.TryParse(bytes, out UsbConfiguration? configuration))
                return;
            Assert.True(configuration.Descriptor.TotalLength <= bytes.Length);
            int described = configuration.Interfaces.Sum(face =>
                InterfaceDescriptor.Size + (EndpointDescriptor.Size * face.Endpoints.Count));
            Assert.True(ConfigurationDescriptor.Size + described <= configuration.Descriptor.TotalLength);
        },
        count: 2000);

    [Fact]
    public void A_driver_reads_the_interfaces_that_a_device_describes() => Property.Check(
        Gen.Choose(0, 4).ListOf(),
        endpointCounts =>
        {
            List<byte> body = [];
            for (int number = 0; number < endpointCounts.Count; number++)
            {
                body.AddRange(Interface(number, endpointCounts[number]));

                // A descriptor of a type that nobody knows stands between.
                body.AddRange([3, 0x7E, 0]);
                for (int endpoint = 1; endpoint <= endpointCounts[number]; endpoint++)
                    body.AddRange(Endpoint(endpoint));
            }

            byte[] bytes = [.. Head(ConfigurationDescriptor.Size + body.Count), .. body];
            Assert.True(UsbConfiguration.TryParse(bytes, out UsbConfiguration? configuration));
            Assert.Equal(endpointCounts, configuration.Interfaces.Select(face => face.Endpoints.Count));
            Assert.Equal(Enumerable.Range(0, endpointCounts.Count), configuration.Interfaces.Select(face => (int)face.Descriptor.Number));
            Assert.All(configuration.Interfaces, face =>
                Assert.Equal(Enumerable.Range(1, face.Endpoints.Count), face.Endpoints.Select(endpoint => endpoint.Descriptor.Number)));

            // Cut short anywhere, it is refused.
            Assert.All(Enumerable.Range(0, bytes.Length), length =>
                Assert.False(UsbConfiguration.TryParse(bytes.AsSpan(0, length), out _)));
        });

    private static byte[] Head(int total) => Packed.ToArray(
        new ConfigurationDescriptor
        {
            Length = ConfigurationDescriptor.Size,
            Type = DescriptorType.Configuration,
            TotalLength = (ushort)total,
            Value = 1,
        },
        ConfigurationDescriptor.Size);

    private static byte[] Interface(int number, int endpoints) => Packed.ToArray(
        new InterfaceDescriptor
        {
            Length = InterfaceDescriptor.Size,
            Type = DescriptorType.Interface,
            Number = (byte)number,
            EndpointCount = (byte)endpoints,
        },
        InterfaceDescriptor.Size);

    private static byte[] Endpoint(int number) => Packed.ToArray(
        new EndpointDescriptor { Length = EndpointDescriptor.Size, Type = DescriptorType.Endpoint, Number = number },
        EndpointDescriptor.Size);
}
