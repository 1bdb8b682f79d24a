using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>What a descriptor of an endpoint may say at each speed (USB 2.0 and 3.x, endpoint characteristics); a device may say anything.</summary>
internal static class EndpointRules
{
    extension(UsbEndpoint endpoint)
    {
        /// <summary>Fails where a controller cannot be told of such an endpoint.</summary>
        /// <exception cref="DriverException">Its descriptor makes no sense.</exception>
        public void Require(DeviceSpeed speed)
        {
            EndpointDescriptor descriptor = endpoint.Descriptor;
            bool isPeriodic = descriptor.TransferType is TransferType.Interrupt or TransferType.Isochronous;
            bool isUsable = descriptor.Number != 0
                && descriptor.MaxPacketSize != 0
                && IsPacketSize(descriptor.TransferType, descriptor.MaxPacketSize, speed)
                && descriptor.AdditionalTransactions <= (isPeriodic && speed == DeviceSpeed.High ? 2 : 0)
                && (!isPeriodic || IsInterval(descriptor.TransferType, descriptor.Interval, speed))
                && endpoint.Companion.MaxBurst <= 15;
            if (!isUsable)
            {
                throw new DriverException(
                    DriverFailure.BadDescriptor,
                    $"No {speed} speed device has a {descriptor.TransferType} endpoint {descriptor.Number} with packets of {descriptor.MaxPacketSize} bytes and interval {descriptor.Interval}.");
            }
        }
    }

    private static bool IsPacketSize(TransferType type, int bytes, DeviceSpeed speed) => (type, speed) switch
    {
        (TransferType.Bulk, DeviceSpeed.Full) => bytes is 8 or 16 or 32 or 64,
        (TransferType.Bulk, DeviceSpeed.High) => bytes == 512,
        (TransferType.Bulk, DeviceSpeed.Super) => bytes == 1024,
        (TransferType.Interrupt, DeviceSpeed.Low) => bytes <= 8,
        (TransferType.Interrupt, DeviceSpeed.Full) => bytes <= 64,
        (TransferType.Isochronous, DeviceSpeed.Full) => bytes <= 1023,
        (TransferType.Interrupt or TransferType.Isochronous, DeviceSpeed.High or DeviceSpeed.Super) => bytes <= 1024,
        _ => false,
    };

    // Full- and low-speed interrupt endpoints count frames; all others say a power of two, from 1 to 16.
    private static bool IsInterval(TransferType type, int interval, DeviceSpeed speed) =>
        interval >= 1 && (interval <= 16 || (type == TransferType.Interrupt && speed <= DeviceSpeed.Full));
}
