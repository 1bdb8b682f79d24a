using Dma.Drivers;
using Dma.UsbDevice.Spec;

namespace Dma.Lab;

/// <summary>The endpoints of a device that the host's controller serves: those of the settings that are chosen.</summary>
internal sealed class HostUsbEndpoints
{
    private readonly Dictionary<byte, Open> _open = [];
    private UsbConfiguration? _configuration;

    /// <summary>An endpoint by bEndpointAddress, or null.</summary>
    public Open? Find(byte address) => _open.GetValueOrDefault(address);

    /// <summary>Opens those of a configuration.</summary>
    /// <returns><c>false</c>, and none open, where the controller does not take one of them.</returns>
    public async ValueTask<bool> Configure(IUsbConnection connection, UsbConfiguration configuration)
    {
        _configuration = configuration;
        foreach (UsbInterface face in configuration.Interfaces.Where(face => face.Descriptor.AlternateSetting == 0))
        {
            if (!await TryOpen(connection, face))
            {
                await Close();
                return false;
            }
        }

        return true;
    }

    /// <summary>Chooses a setting of an interface.</summary>
    /// <returns><c>false</c> where there is no such setting, or no time on the bus for it; the interface has no endpoints then.</returns>
    public async ValueTask<bool> Choose(IUsbConnection connection, int number, int alternate)
    {
        UsbInterface? face = _configuration?.Interfaces.FirstOrDefault(
            candidate => candidate.Descriptor.Number == number && candidate.Descriptor.AlternateSetting == alternate);
        if (face is null)
            return false;
        await Close(number);
        if (await TryOpen(connection, face))
            return true;
        await Close(number);
        return false;
    }

    /// <summary>Closes all.</summary>
    public async ValueTask Close()
    {
        foreach (byte address in _open.Keys.ToArray())
            await CloseOne(address);
        _configuration = null;
    }

    private async ValueTask<bool> TryOpen(IUsbConnection connection, UsbInterface face)
    {
        try
        {
            foreach (UsbEndpoint endpoint in face.Endpoints)
            {
                _open[endpoint.Address] = endpoint.Descriptor.TransferType == TransferType.Isochronous
                    ? new(face.Descriptor.Number, endpoint, null, await connection.OpenIsochronous(endpoint))
                    : new(face.Descriptor.Number, endpoint, await connection.Open(endpoint), null);
            }

            return true;
        }
        catch (DriverException)
        {
            return false;
        }
    }

    private async ValueTask Close(int number)
    {
        foreach (Open open in _open.Values.Where(open => open.Interface == number).ToArray())
            await CloseOne(open.Endpoint.Address);
    }

    private async ValueTask CloseOne(byte address)
    {
        if (!_open.Remove(address, out Open? open))
            return;
        await (open.Pipe?.Close() ?? default);
        await (open.Isochronous?.Close() ?? default);
    }

    /// <summary>An endpoint that is open.</summary>
    /// <param name="Interface">The interface that it belongs to.</param>
    /// <param name="Endpoint">What the device says of it.</param>
    /// <param name="Pipe">The way to it, where it is none of the next kind.</param>
    /// <param name="Isochronous">The way to it, where it is isochronous.</param>
    internal sealed record Open(int Interface, UsbEndpoint Endpoint, IUsbPipe? Pipe, IUsbIsochronousPipe? Isochronous);
}
