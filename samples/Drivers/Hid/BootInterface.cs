using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>What keyboards and mice have in common: an interface with a fixed form of reports, chosen by the host (USB HID, boot interface).</summary>
internal static class BootInterface
{
    private const byte BootSubclass = 1;

    /// <summary>Finds the interface, asks for the fixed form and opens the endpoint of its reports.</summary>
    /// <param name="device">The device.</param>
    /// <param name="protocol">1 for keyboards, 2 for mice.</param>
    /// <exception cref="DriverException">The device offers no such interface.</exception>
    public static async ValueTask<(byte Number, ReportPipe Reports)> Open(UsbDeviceHandle device, byte protocol)
    {
        UsbInterface? face = device.Find(DeviceClass.Hid, BootSubclass, protocol);
        if (face?.Find(TransferType.Interrupt, isIn: true) is not { } endpoint)
            throw new DriverException(DriverFailure.BadDescriptor, "The device offers no boot interface of this kind.");

        // No report while nothing changes, and the fixed form. Devices that know but one way refuse to be told, and go on.
        await Tell(device, HidRequest.SetIdle, 0, face.Descriptor.Number);
        await Tell(device, HidRequest.SetProtocol, (ushort)HidProtocol.Boot, face.Descriptor.Number);
        return (face.Descriptor.Number, await ReportPipe.Open(device, endpoint));
    }

    private static async ValueTask Tell(UsbDeviceHandle device, HidRequest request, ushort value, byte number)
    {
        TransferResult result = await device.Request(RequestType.Class, RequestRecipient.Interface, (byte)request, value, number);
        if (!result.IsCompleted && result.Status != TransferStatus.Stalled)
            throw new DriverException(result.Failure, $"{request} ended as {result.Status}.");
    }
}
